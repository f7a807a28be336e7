import { describe, expect, test } from 'bun:test'
import { encodeRequest, methodPrefix } from './envelope.ts'
import { LentAnswer } from './lent-answer.ts'
import {
  type CallContext,
  connect,
  createClient,
  serve,
  service,
  type Transport,
  transportPair,
} from './ttrpc.ts'

/** A message of one field of bytes, its number 1. */
const message = {
  encode: ({ data }: { data: Uint8Array }) => ({
    finish: () => Uint8Array.from([0x0a, data.length, ...data]),
  }),
  /** What follows the tag and a length of one to four bytes. */
  decode: (bytes: Uint8Array) => {
    let at = 1
    while ((bytes[at++] ?? 0) >= 0x80);
    return { data: bytes.subarray(at) }
  },
  fromPartial: (partial: { data?: Uint8Array }) => ({ data: partial.data ?? new Uint8Array(0) }),
}
const Store = {
  fullName: 'test.Store',
  methods: {
    get: {
      name: 'Get',
      requestType: message,
      responseType: message,
      requestStream: false,
      responseStream: false,
    },
  },
}

/** What the handler has in its memory, and what came back of it. */
const blocks = new Map<number, Uint8Array>()
const back: [block: number, isSent: boolean][] = []
const lend = (block: number): LentAnswer =>
  new LentAnswer(1, {
    bytes: blocks.get(block)!,
    giveBack: (isSent) => void back.push([block, isSent]),
  })

function pair(get: (block: number, context: CallContext) => Promise<LentAnswer>) {
  blocks.clear()
  back.length = 0
  const [left, right] = transportPair()
  const handlers = { get: ({ data }: { data: Uint8Array }, context: CallContext) => get(data[0]!, context) }
  const server = serve(right, [service(Store, handlers)])
  return { client: createClient(Store, connect(left)), server }
}

const fill = (block: number, bytes: number) => {
  blocks.set(block, crypto.getRandomValues(new Uint8Array(bytes)))
}

describe('an answer whose bytes are lent', () => {
  test('comes as any other, of each length of a length', async () => {
    const { client } = pair(async (block) => lend(block))
    const sizes = [1, 127, 128, 16_383, 16_384, 65_536]
    for (const [block, bytes] of sizes.entries()) fill(block, bytes)
    const answers = await Promise.all(sizes.map((_, block) => client.get({ data: Uint8Array.of(block) })))
    for (const [block, { data }] of answers.entries()) expect(data).toEqual(blocks.get(block)!)
    expect(back).toEqual(sizes.map((_, block) => [block, true]))
  })

  test('goes back once the stream has accepted it, and not before', async () => {
    const accepts: (() => void)[] = []
    let receive = (_: Uint8Array) => {}
    const transport: Transport = {
      write: () => new Promise<void>((resolve) => void accepts.push(resolve)),
      onData: (handler) => {
        receive = handler
      },
      onClose: () => {},
      close: () => {},
    }
    fill(3, 10)
    back.length = 0
    serve(transport, [service(Store, { get: async () => lend(3) })])
    receive(encodeRequest(1, methodPrefix(Store.fullName, 'Get'), Uint8Array.of(0x0a, 1, 3)))
    await Bun.sleep(1)
    accepts[0]!()
    await Bun.sleep(1)
    expect([accepts.length, back]).toEqual([2, []])
    accepts[1]!()
    await Bun.sleep(1)
    expect(back).toEqual([[3, true]])
  })

  test('over 4 MiB is an error of that call, and the connection lives', async () => {
    const { client } = pair(async (block) => lend(block))
    fill(3, 4 * 1024 * 1024)
    fill(4, 4)
    await expect(client.get({ data: Uint8Array.of(3) })).rejects.toMatchObject({ code: 'resource_exhausted' })
    expect((await client.get({ data: Uint8Array.of(4) })).data).toEqual(blocks.get(4)!)
    expect(back).toEqual([
      [3, false],
      [4, true],
    ])
  })

  test.each([
    ['whose time is over', { timeoutMs: 5 }, () => {}],
    ['whose connection is closed', {}, (close: () => void) => close()],
  ])('to a call %s goes back unsent', async (_, options, end) => {
    const gate = Promise.withResolvers<void>()
    const given = Promise.withResolvers<void>()
    const { client, server } = pair(async (block, { onCancel }) => {
      onCancel(() => given.resolve())
      await gate.promise
      return lend(block)
    })
    fill(3, 10)
    const call = client.get({ data: Uint8Array.of(3) }, options)
    await Bun.sleep(1)
    end(() => server.close())
    await expect(call).rejects.toThrow()
    await given.promise
    expect(back).toEqual([])
    gate.resolve()
    await Bun.sleep(1)
    expect(back).toEqual([[3, false]])
  })
})
