import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectUnix, type Listener, listen } from './bun.ts'
import { decodeResponse, encodeRequest, encodeResponse, methodPrefix } from './envelope.ts'
import { frameType, headerBytes } from './frame.ts'
import type { Transport } from './transport.ts'
import {
  connect,
  createClient,
  type Implementation,
  type ServeOptions,
  type ServerConnection,
  serve,
  service,
  TtrpcError,
  transportPair,
} from './ttrpc.ts'

/** A service without generated code: messages are JSON, so the tests of the wire need no protocol folder. */
function json<T>() {
  return {
    encode: (message: T) => ({ finish: () => new TextEncoder().encode(JSON.stringify(message)) }),
    decode: (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as T,
    fromPartial: (partial: unknown) => partial as T,
  }
}
const raw = {
  encode: (message: { data: Uint8Array }) => ({ finish: () => message.data }),
  decode: (bytes: Uint8Array) => ({ data: bytes }),
  fromPartial: (partial: { data: Uint8Array }) => partial,
}
const unary = { requestStream: false, responseStream: false }
const Echo = {
  fullName: 'test.Echo',
  methods: {
    say: {
      name: 'Say',
      requestType: json<{ text: string }>(),
      responseType: json<{ text: string }>(),
      ...unary,
    },
    fail: { name: 'Fail', requestType: json<{ text: string }>(), responseType: json<object>(), ...unary },
    hang: { name: 'Hang', requestType: json<object>(), responseType: json<object>(), ...unary },
    bulk: { name: 'Bulk', requestType: raw, responseType: raw, ...unary },
    meta: {
      name: 'Meta',
      requestType: json<object>(),
      responseType: json<Record<string, string>>(),
      ...unary,
    },
    absent: { name: 'Absent', requestType: json<object>(), responseType: json<object>(), ...unary },
  },
}

class Refusal extends Error {}

function echo(overrides: Implementation<typeof Echo> = {}) {
  return service(Echo, {
    say: ({ text }) => ({ text: `${text}!` }),
    fail: ({ text }) => {
      throw text === 'mapped' ? new Refusal('no') : new TtrpcError('not_found', `no ${text}`)
    },
    hang: () => new Promise<never>(() => {}),
    bulk: ({ data }) => ({ data }),
    meta: (_request, context) => ({
      ...Object.fromEntries(context.metadata),
      timeout: String(context.timeoutMs),
    }),
    ...overrides,
  })
}

function pair(overrides?: Implementation<typeof Echo>, options = {}) {
  const [left, right] = transportPair()
  const server = serve(right, [echo(overrides)], {
    toStatus: (error) =>
      error instanceof Refusal ? { code: 'permission_denied', message: error.message } : undefined,
    ...options,
  })
  const connection = connect(left)
  return { client: createClient(Echo, connection), connection, server, left, right }
}

async function failure(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof TtrpcError ? `${error.code}: ${error.message}` : `not a TtrpcError: ${error}`
}

describe('calls over a pair in memory', () => {
  test('an answer comes back, text in any script', async () => {
    expect(await pair().client.say({ text: 'héllo 🜁' })).toEqual({ text: 'héllo 🜁!' })
  })

  test('metadata and time limit arrive', async () => {
    const answer = await pair().client.meta(
      {},
      { metadata: { 'containerd-namespace-ttrpc': 'k8s.io' }, timeoutMs: 1500 },
    )
    expect(answer).toEqual({ 'containerd-namespace-ttrpc': 'k8s.io', timeout: '1500' })
  })

  test('errors keep their code; the hook maps foreign ones; what is left is unknown', async () => {
    const { client } = pair()
    expect(await failure(client.fail({ text: 'box' }))).toBe('not_found: no box')
    expect(await failure(client.fail({ text: 'mapped' }))).toBe('permission_denied: no')
    const plain = pair({ say: () => Promise.reject(new Error('plain')) })
    expect(await failure(plain.client.say({ text: '' }))).toBe('unknown: plain')
  })

  test('an error is never taken for a success, and one of many words comes with the first of them', async () => {
    const ok = pair({ say: () => Promise.reject(new TtrpcError('ok', 'no')) })
    expect(await failure(ok.client.say({ text: '' }))).toBe('unknown: no')
    const long = pair({ say: () => Promise.reject(new Error('x'.repeat(5 << 20))) })
    expect(await failure(long.client.say({ text: '' }))).toBe(`unknown: ${'x'.repeat(64 << 10)}`)
  })

  test('an absent method and an absent service answer unimplemented', async () => {
    const { client, connection } = pair()
    expect(await failure(client.absent({}))).toStartWith('unimplemented: method test.Echo/Absent')
    const other = createClient({ ...Echo, fullName: 'test.Other' }, connection)
    expect(await failure(other.say({ text: '' }))).toStartWith('unimplemented: service test.Other')
  })

  test('a hundred calls at once are answered each with its own, whatever the order', async () => {
    const { client } = pair({
      say: async ({ text }) => {
        await new Promise((resolve) => setTimeout(resolve, 100 - Number(text)))
        return { text }
      },
    })
    const numbers = Array.from({ length: 100 }, (_, index) => String(index))
    const answers = await Promise.all(numbers.map((text) => client.say({ text })))
    expect(answers.map((answer) => answer.text)).toEqual(numbers)
  })

  test('a time limit ends the call on both sides, and the connection lives', async () => {
    let cancelled: TtrpcError | undefined
    const { client } = pair({
      hang: (_request, context) => {
        context.onCancel((reason) => {
          cancelled = reason
        })
        return new Promise<never>(() => {})
      },
    })
    expect(await failure(client.hang({}, { timeoutMs: 10 }))).toStartWith('deadline_exceeded')
    while (!cancelled) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(cancelled.code).toBe('deadline_exceeded')
    expect(await client.say({ text: 'still' })).toEqual({ text: 'still!' })
  })

  test('a handler that asks late hears at once that its caller has gone', async () => {
    const [asked, told] = [Promise.withResolvers<void>(), Promise.withResolvers<TtrpcError>()]
    const { client } = pair({
      hang: async (_request, context) => {
        await asked.promise
        context.onCancel(told.resolve)
        return await new Promise<never>(() => {})
      },
    })
    expect(await failure(client.hang({}, { timeoutMs: 1 }))).toStartWith('deadline_exceeded')
    await new Promise((resolve) => setTimeout(resolve, 5))
    asked.resolve()
    expect((await told.promise).code).toBe('deadline_exceeded')
  })

  test('a signal cancels a call, before and during it', async () => {
    const { client } = pair()
    expect(await failure(client.say({ text: '' }, { signal: AbortSignal.abort() }))).toStartWith('cancelled')
    const abort = new AbortController()
    const call = failure(client.hang({}, { signal: abort.signal }))
    abort.abort()
    expect(await call).toStartWith('cancelled')
  })

  test('more calls than allowed are refused, not queued', async () => {
    const { client } = pair({}, { maxInFlight: 2 })
    const held = [client.hang({}), client.hang({})]
    for (const call of held) call.catch(() => {})
    expect(await failure(client.say({ text: '' }))).toStartWith('resource_exhausted')
  })

  test('calls that wait for an event keep no other out, given up or not, and have a limit of their own', async () => {
    const [left, right] = transportPair()
    const happened = Promise.withResolvers<object>()
    const waiting = service(Echo, { hang: () => happened.promise, say: ({ text }) => ({ text }) }, ['hang'])
    serve(right, [waiting], { maxInFlight: 1, maxWaiting: 3 })
    const client = createClient(Echo, connect(left))
    for (let call = 0; call < 2; call++)
      expect(await failure(client.hang({}, { signal: AbortSignal.timeout(10) }))).toStartWith('cancelled')
    const last = client.hang({})
    expect(await failure(client.hang({}))).toBe('resource_exhausted: more than 3 calls at a time')
    expect(await client.say({ text: 'stop' })).toEqual({ text: 'stop' })
    happened.resolve({})
    expect(await last).toEqual({})
    expect(await client.hang({})).toEqual({})
  })
})

describe('limits and hostile peers', () => {
  test('a request over 4 MiB is refused before it leaves', async () => {
    const { client } = pair()
    expect(await failure(client.bulk({ data: new Uint8Array(4 << 20) }))).toStartWith(
      'resource_exhausted: a request',
    )
    // The server would say the same of it.
    await expect(client.bulk({ data: new Uint8Array(4 << 20) })).rejects.toMatchObject({ isAnswer: false })
    expect((await client.bulk({ data: new Uint8Array((4 << 20) - 64) })).data.length).toBe((4 << 20) - 64)
  })

  test('a request over 4 MiB that comes all the same is skipped and answered, and the connection lives', async () => {
    const { client, left } = pair()
    const frame = new Uint8Array(10 + (5 << 20))
    frame.set([0, 0x50, 0, 0, 0, 0, 0, 99, 1, 0])
    left.write(frame)
    expect(await client.say({ text: 'alive' })).toEqual({ text: 'alive!' })
  })

  test('an answer over 4 MiB becomes an error of that call alone', async () => {
    const { client } = pair({ bulk: () => ({ data: new Uint8Array(5 << 20) }) })
    // The server's own word for it: such a frame never leaves.
    expect(await failure(client.bulk({ data: new Uint8Array(1) }))).toMatch(
      /^resource_exhausted: an answer of \d+ bytes is over the limit of 4 MiB$/,
    )
    expect(await client.say({ text: 'alive' })).toEqual({ text: 'alive!' })
  })

  test('a peer that leaves its answers unread is cut off once they are too many, and the server says why', async () => {
    const [left, right] = transportPair()
    const errors: unknown[] = []
    const held: (() => void)[] = []
    const write = () => new Promise<void>((resolve) => held.push(resolve))
    const slow: Transport = {
      write,
      onData: (receive) => right.onData(receive),
      onClose: (closed) => right.onClose(closed),
      close: (error) => right.close(error),
    }
    const server = serve(slow, [echo()], { maxUnreadBytes: 4000, onError: (error) => errors.push(error) })
    const client = createClient(Echo, connect(left))
    const ask = () => client.bulk({ data: new Uint8Array(700) }).catch(() => {})
    const answers = async (count: number) => {
      while (held.length < count) await Bun.sleep(0)
    }
    for (let call = 0; call < 4; call++) void ask()
    await answers(4)
    // What it has read counts no more.
    for (const accept of held.splice(0)) accept()
    for (let call = 0; call < 4; call++) void ask()
    await answers(4)
    expect(errors).toEqual([])
    void ask()
    const error = await server.closed
    expect(error).toMatchObject({
      code: 'resource_exhausted',
      message: 'more than 4000 bytes of answers wait for a peer that does not read',
    })
    expect(errors).toEqual([error])
  })

  test.each([
    ['an unknown type', [0, 0, 0, 0, 0, 0, 0, 1, 9, 0]],
    ['an absurd length', [0xff, 0, 0, 0, 0, 0, 0, 1, 1, 0]],
    ['stream data', [0, 0, 0, 0, 0, 0, 0, 1, 3, 0]],
    ['an answer of more than 4 MiB', [0, 0x50, 0, 0, 0, 0, 0, 1, 2, 0]],
  ])('%s closes the server connection with a clear error', async (_name, bytes) => {
    const errors: unknown[] = []
    const { server, left } = pair({}, { onError: (error: unknown) => errors.push(error) })
    left.write(Uint8Array.from(bytes))
    const error = await server.closed
    expect(error?.message).toStartWith('malformed frame')
    expect(errors).toEqual([error])
  })

  test('an envelope that is no message answers invalid_argument', async () => {
    const [left, right] = transportPair()
    serve(right, [echo()])
    const answers: Uint8Array[] = []
    left.onData((chunk) => answers.push(chunk))
    left.write(Uint8Array.from([0, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0x0a, 0x7f]))
    while (answers.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    // Response { status { code = 3 (invalid_argument) } }
    expect([...answers[0]!.subarray(12, 14)]).toEqual([8, 3])
  })

  test('a stream of an even number is refused, and one that is in use ends the connection', async () => {
    const [left, right] = transportPair()
    const server = serve(right, [echo()])
    const answers: Uint8Array[] = []
    left.onData((chunk) => answers.push(chunk))
    const hang = (streamId: number) =>
      left.write(encodeRequest(streamId, methodPrefix('test.Echo', 'Hang'), Buffer.from('{}')))
    hang(2)
    while (answers.length === 0) await Bun.sleep(0)
    expect(decodeResponse(answers[0]!.subarray(headerBytes))).toEqual({
      status: { code: 'invalid_argument', message: 'stream ids of a client are odd' },
    })
    hang(1)
    hang(1)
    expect((await server.closed)?.message).toBe('malformed frame: stream 1 is already in use')
  })

  test('garbage from the server ends every call in flight', async () => {
    const { client, right } = pair()
    const call = failure(client.hang({}))
    right.write(new Uint8Array(10).fill(0x41))
    expect(await call).toStartWith('internal: malformed frame')
    expect(await failure(client.say({ text: '' }))).toStartWith('internal: malformed frame')
  })

  test.each([
    ['a request', frameType.request],
    ['stream data', frameType.data],
  ])('%s in place of an answer ends the connection, and no call takes it for one', async (_, type) => {
    const { client, connection, right } = pair()
    const call = failure(client.hang({}))
    const frame = encodeResponse(1, { payload: new Uint8Array(0) })
    frame[8] = type
    right.write(frame)
    const reason = `internal: malformed frame: the peer sent type ${type}, not an answer`
    expect(await call).toBe(reason)
    expect(connection.closeReason?.code).toBe('internal')
  })

  test('closing either end rejects what is in flight with unavailable', async () => {
    const { client, connection, server } = pair()
    const call = failure(client.hang({}))
    server.close()
    expect(await call).toStartWith('unavailable')
    expect((await connection.closed).code).toBe('unavailable')
    expect(await failure(client.say({ text: '' }))).toStartWith('unavailable')
  })

  test('a handler learns that its caller left', async () => {
    const reason = Promise.withResolvers<TtrpcError>()
    const { client, connection } = pair({
      hang: (_request, context) => {
        context.onCancel(reason.resolve)
        return new Promise<never>(() => {})
      },
    })
    client.hang({}).catch(() => {})
    await client.say({ text: 'the call has arrived' })
    connection.close()
    expect((await reason.promise).code).toBe('unavailable')
  })
})

describe('a peer that goes too far', () => {
  const limits = { unasked: 3, queuedFrames: 4, queuedBytes: 1000 }
  /** An answer to call number `call`, counted from 0. */
  const answer = (call: number) => encodeResponse(1 + 2 * call, { payload: new Uint8Array(0) })

  test('answers twice, or to no call: a few are dropped, one more ends the connection', async () => {
    const [left, right] = transportPair()
    const connection = connect(left, { limits })
    const call = connection.call(new Uint8Array(0), new Uint8Array(0))
    for (const stream of [0, 0, 7, 0]) right.write(answer(stream))
    expect((await call).length).toBe(0)
    expect(connection.closeReason).toBeUndefined()
    right.write(answer(9))
    expect(await connection.closed).toMatchObject({
      code: 'resource_exhausted',
      message: 'the peer sent more than 3 frames that nobody asked for',
    })
  })

  test('but not with late answers: to calls that were given up, one each', async () => {
    const [left, right] = transportPair()
    const connection = connect(left, { limits })
    const none = new Uint8Array(0)
    for (let call = 0; call < 10; call++)
      expect(await failure(connection.call(none, none, { timeoutMs: 1 }))).toStartWith('deadline_exceeded')
    for (let call = 0; call < 13; call++) right.write(answer(call))
    await Bun.sleep(1)
    expect(connection.closeReason).toBeUndefined()
    right.write(answer(0))
    expect((await connection.closed).message).toContain('nobody asked for')
  })

  test('does not read: what waits for it is bounded, and then the connection ends', async () => {
    const queue = (bytes: number, frames: number) => {
      const transport = { ...transportPair()[0], write: () => new Promise<void>(() => {}) }
      transport.onData = () => {}
      transport.onClose = () => {}
      transport.close = () => {}
      const connection = connect(transport, { limits })
      const calls = Array.from({ length: frames }, () =>
        failure(connection.call(new Uint8Array(0), new Uint8Array(bytes))),
      )
      return { connection, calls }
    }
    for (const [bytes, frames] of [
      [1, 4],
      [200, 4],
    ] as const)
      expect(queue(bytes, frames).connection.closeReason).toBeUndefined()
    for (const [bytes, frames] of [
      [1, 5],
      [250, 4],
    ] as const) {
      const { connection, calls } = queue(bytes, frames)
      const reason = 'too many requests wait for a peer that does not read'
      expect(await Promise.all(calls)).toEqual(calls.map(() => `resource_exhausted: ${reason}`))
      expect((await connection.closed).message).toBe(reason)
    }
  })

  test.each([
    ['calls', { ...limits, queuedBytes: 1e6 }],
    ['bytes', { ...limits, queuedFrames: 1e6 }],
  ])('does not read for a while: %s that can wait do so in order, and others pass', async (_, limits) => {
    const [left, right] = transportPair()
    const gates: (() => void)[] = []
    const open = () => gates.shift()?.()
    const transport = {
      onData: left.onData.bind(left),
      onClose: left.onClose.bind(left),
      close: left.close.bind(left),
      async write(bytes: Uint8Array) {
        await new Promise<void>((resolve) => gates.push(resolve))
        await left.write(bytes)
      },
    }
    const client = createClient(Echo, connect(transport, { limits }))
    const got: string[] = []
    serve(right, [
      echo({
        say({ text }) {
          got.push(text.slice(0, 2))
          return { text }
        },
      }),
    ])
    const given = new AbortController()
    const say = (text: string, isPatient: boolean) => client.say({ text }, { isPatient })
    // More bytes, and more calls, than may wait.
    const calls = Array.from({ length: 20 }, (_, call) => say(String(call).padEnd(200), true))
    calls.push(say('at once', false))
    const givenUp = failure(client.say({ text: 'given up' }, { isPatient: true, signal: given.signal }))
    given.abort()
    expect(await givenUp).toStartWith('cancelled')
    let isOver = false
    const all = Promise.all(calls).finally(() => {
      isOver = true
    })
    while (!isOver) {
      open()
      await Bun.sleep(0)
    }
    await all
    expect(got).toEqual(['0 ', 'at', ...Array.from({ length: 19 }, (_, call) => String(call + 1).padEnd(2))])
  })

  test('answers at greater length than was asked for: the call fails, the connection lives', async () => {
    const { client, connection } = pair()
    const limited = createClient(Echo, connection, { maxAnswerBytes: () => 100 })
    const call = (bytes: number) => limited.bulk({ data: new Uint8Array(bytes) })
    expect((await call(80)).data.length).toBe(80)
    expect(await failure(call(101))).toMatch(
      /^resource_exhausted: an answer of 1\d\d bytes is over the limit of 100$/,
    )
    expect(await client.say({ text: 'still there' })).toEqual({ text: 'still there!' })
  })

  test('what it says is told apart from what we say of it', async () => {
    const { client, connection } = pair()
    const said = await client.fail({ text: 'mapped' }).catch((error) => error)
    expect(said).toMatchObject({ code: 'permission_denied', isAnswer: true })
    connection.close()
    expect(await client.say({ text: '' }).catch((error) => error)).toMatchObject({ isAnswer: false })
  })
})

describe('over a unix socket', () => {
  const dirs: string[] = []
  const listeners: Listener[] = []
  afterEach(() => {
    for (const listener of listeners.splice(0)) listener.stop()
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
  })

  async function socketPair(onConnection: (transport: Transport) => void): Promise<Transport> {
    const dir = mkdtempSync(join(tmpdir(), 'ttrpc-'))
    dirs.push(dir)
    listeners.push(listen({ unix: join(dir, 's') }, onConnection))
    return connectUnix(join(dir, 's'))
  }

  /** Eight answers of 4 MiB that are made in one turn, before the peer can read a byte. */
  const largeAnswers = async (options: ServeOptions) => {
    const all = Promise.withResolvers<void>()
    const data = new Uint8Array((4 << 20) - 64)
    let calls = 0
    const bulk = async () => {
      calls++
      if (calls === 8) all.resolve()
      await all.promise
      return { data }
    }
    let server: ServerConnection | undefined
    const transport = await socketPair((own) => {
      server = serve(own, [echo({ bulk })], options)
    })
    const client = createClient(Echo, connect(transport))
    const answers = Array.from({ length: 8 }, () => client.bulk({ data: new Uint8Array(1) }))
    return { answers: Promise.allSettled(answers), closed: () => server?.closed, transport }
  }

  test('by default a server sends as many answers as are asked for', async () => {
    const { answers, transport } = await largeAnswers({})
    for (const answer of await answers) expect(answer.status).toBe('fulfilled')
    transport.close()
  })

  test('a server with a limit cuts off a peer for which more waits', async () => {
    const { answers, closed } = await largeAnswers({ maxUnreadBytes: 16 << 20 })
    expect((await answers).map(({ status }) => status)).toContain('rejected')
    expect(await closed()).toMatchObject({ code: 'resource_exhausted' })
  })

  test('thirty megabytes in chunks of 64 KB pass intact, several calls at a time', async () => {
    const transport = await socketPair((peer) => void serve(peer, [echo()]))
    const connection = connect(transport)
    const client = createClient(Echo, connection)
    const chunk = crypto.getRandomValues(new Uint8Array(64 * 1024))
    const expected = Bun.hash(chunk)
    let received = 0
    const worker = async () => {
      for (let index = 0; index < 120; index++) {
        const { data } = await client.bulk({ data: chunk })
        expect(Bun.hash(data)).toBe(expected)
        received += data.length
      }
    }
    await Promise.all([worker(), worker(), worker(), worker()])
    expect(received).toBe(480 * 64 * 1024)
    connection.close()
  })

  test('a reader that is slow holds the writer back, and nothing is lost', async () => {
    const peer = Promise.withResolvers<Transport>()
    const writer = await socketPair(peer.resolve)
    const reader = await peer.promise
    const total = 8 << 20
    let accepted = false
    const written = Promise.resolve(writer.write(new Uint8Array(total).fill(7))).then(() => {
      accepted = true
    })
    // The kernel's buffers are far smaller than what was written, so it cannot have been accepted in one go.
    expect(accepted).toBe(false)
    let received = 0
    const all = Promise.withResolvers<void>()
    reader.onData((chunk) => {
      received += chunk.length
      if (received === total) all.resolve()
    })
    await Promise.all([written, all.promise])
    writer.close()
  })

  test('what was written before close arrives', async () => {
    const peer = Promise.withResolvers<Transport>()
    const writer = await socketPair(peer.resolve)
    const reader = await peer.promise
    let received = 0
    reader.onData((chunk) => {
      received += chunk.length
    })
    const closed = new Promise<void>((resolve) => reader.onClose(() => resolve()))
    void writer.write(new Uint8Array(4 << 20))
    writer.close()
    await closed
    expect(received).toBe(4 << 20)
  })

  test('a peer that closes in the middle rejects calls in flight', async () => {
    const peer = Promise.withResolvers<Transport>()
    const transport = await socketPair((other) => {
      serve(other, [echo()])
      peer.resolve(other)
    })
    const client = createClient(Echo, connect(transport))
    await client.say({ text: 'up' })
    const calls = [client.hang({}), client.bulk({ data: new Uint8Array(4_000_000) })].map(failure)
    const server = await peer.promise
    server.close(new Error('gone'))
    expect(await calls[0]).toStartWith('unavailable')
    expect(await calls[1]).toStartWith('unavailable')
  })

  test('a listening descriptor serves on in another process', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'ttrpc-'))
    dirs.push(dir)
    const listener = listen({ unix: join(dir, 's') }, () => {})
    const script = `
      import { listen } from ${JSON.stringify(join(import.meta.dir, 'bun.ts'))}
      listen({ fd: 3 }, (transport) => transport.onData((chunk) => transport.write(chunk)))
    `
    const child = Bun.spawn([process.execPath, '-e', script], {
      stdio: ['ignore', 'inherit', 'inherit', listener.fd],
    })
    try {
      // Stopping removes the file by its name; under another one the socket stays.
      renameSync(join(dir, 's'), join(dir, 'kept'))
      listener.stop()
      const transport = await connectUnix(join(dir, 'kept'))
      const echoed = new Promise<string>((resolve) => transport.onData((chunk) => resolve(`${chunk}`)))
      void transport.write(Uint8Array.of(1, 2, 3))
      expect(await echoed).toBe(`${Buffer.from([1, 2, 3])}`)
      transport.close()
    } finally {
      child.kill()
      await child.exited
    }
  })

  test('no one listening is an error with its code', async () => {
    const error = await connectUnix('/nonexistent/s').catch((thrown: unknown) => thrown)
    expect((error as { code?: string }).code).toBe('ENOENT')
  })
})
