import { describe, expect, test } from 'bun:test'
import { type Tail, TailedAnswer } from './tailed-answer.ts'
import {
  connect,
  createClient,
  type ServeOptions,
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

/** Stands in for the kernel: what is in the pipes. */
const pipes = new Map<number, Uint8Array>()
const overs: number[] = []
const tailOf = (fd: number): Tail => ({ fd, bytes: pipes.get(fd)!.length, over: () => void overs.push(fd) })

/** A transport that takes tails out of the pipes. */
function withTails(transport: Transport): Transport {
  const writeTailed = async (head: Uint8Array, tail: Tail) => {
    void transport.write(head)
    await transport.write(pipes.get(tail.fd)!)
    tail.over()
  }
  return {
    writeTailed,
    write: (bytes) => transport.write(bytes),
    onData: (receive) => transport.onData(receive),
    onClose: (closed) => transport.onClose(closed),
    close: (error) => transport.close(error),
  }
}

interface Options extends ServeOptions {
  readonly wrap?: (transport: Transport) => Transport
}

function pair(get: (fd: number) => Promise<TailedAnswer>, { wrap = withTails, ...options }: Options = {}) {
  pipes.clear()
  overs.length = 0
  const [left, right] = transportPair()
  const handlers = { get: ({ data }: { data: Uint8Array }) => get(data[0]!) }
  const server = serve(wrap(right), [service(Store, handlers)], options)
  return { client: createClient(Store, connect(left)), server }
}

const fill = (fd: number, bytes: number) => {
  pipes.set(fd, crypto.getRandomValues(new Uint8Array(bytes)))
}

describe('an answer whose bytes are elsewhere', () => {
  test('comes as any other, of each length of a length', async () => {
    const { client } = pair(async (fd) => new TailedAnswer(1, tailOf(fd)))
    const sizes = [1, 127, 128, 16_383, 16_384, 65_536]
    for (const [fd, bytes] of sizes.entries()) fill(fd, bytes)
    const answers = await Promise.all(sizes.map((_, fd) => client.get({ data: Uint8Array.of(fd) })))
    for (const [fd, { data }] of answers.entries()) expect(data).toEqual(pipes.get(fd)!)
    expect(overs.toSorted()).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('over a transport that knows no descriptors is an error of that call, and nothing is taken', async () => {
    const { client } = pair(async (fd) => new TailedAnswer(1, tailOf(fd)), { wrap: (transport) => transport })
    fill(3, 10)
    await expect(client.get({ data: Uint8Array.of(3) })).rejects.toMatchObject({ code: 'internal' })
    expect(overs).toEqual([3])
  })

  test('over 4 MiB is an error of that call, and the connection lives', async () => {
    const { client } = pair(async (fd) => new TailedAnswer(1, tailOf(fd)))
    fill(3, 4 * 1024 * 1024)
    fill(4, 4)
    await expect(client.get({ data: Uint8Array.of(3) })).rejects.toMatchObject({ code: 'internal' })
    expect((await client.get({ data: Uint8Array.of(4) })).data).toEqual(pipes.get(4)!)
    expect(overs).toEqual([3, 4])
  })

  test.each([
    ['whose time is over', { timeoutMs: 5 }, () => {}],
    ['whose connection is closed', {}, (close: () => void) => close()],
  ])('to a call %s is let go', async (_, options, end) => {
    const gate = Promise.withResolvers<void>()
    const { client, server } = pair(async (fd) => {
      await gate.promise
      return new TailedAnswer(1, tailOf(fd))
    })
    fill(3, 10)
    const call = client.get({ data: Uint8Array.of(3) }, options)
    await Bun.sleep(1)
    end(() => server.close())
    await expect(call).rejects.toThrow()
    expect(overs).toEqual([])
    gate.resolve()
    await Bun.sleep(1)
    expect(overs).toEqual([3])
  })
})
