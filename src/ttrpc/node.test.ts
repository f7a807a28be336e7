/** Transports of node:net. The tests of packed packages (setup/npm) run them in Node itself. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { until } from '../time.ts'
import { methodPrefix } from './envelope.ts'
import { connectUnix, listenUnix } from './node.ts'
import type { Transport } from './transport.ts'
import { connect, serve, service } from './ttrpc.ts'

const raw = {
  encode: (message: { data: Uint8Array }) => ({ finish: () => message.data }),
  decode: (bytes: Uint8Array) => ({ data: bytes }),
  fromPartial: (partial: { data: Uint8Array }) => partial,
}
const Echo = {
  fullName: 'test.Echo',
  methods: {
    bulk: { name: 'Bulk', requestType: raw, responseType: raw, requestStream: false, responseStream: false },
  },
}

let base: string
let server: Server
let accepted: Transport[]
beforeEach(async () => {
  base = mkdtempSync(`${tmpdir()}/node-`)
  accepted = []
  server = await listenUnix(`${base}/s`, (transport) => {
    accepted.push(transport)
    serve(transport, [service(Echo, { bulk: ({ data }) => ({ data }) })])
  })
})
afterEach(() => {
  server.close()
  rmSync(base, { recursive: true })
})

test('large calls come back whole, many at a time', async () => {
  const connection = connect(await connectUnix(`unix://${base}/s`))
  const data = crypto.getRandomValues(new Uint8Array(60_000))
  const large = Buffer.concat(Array.from({ length: 50 }, () => data))
  const prefix = methodPrefix('test.Echo', 'Bulk')
  const answers = await Promise.all([large, data, large].map((bytes) => connection.call(prefix, bytes)))
  expect(answers.map(({ length }) => length)).toEqual([3_000_000, 60_000, 3_000_000])
  expect(Buffer.from(answers[2]!).equals(large)).toBe(true)
  connection.close()
  expect((await connection.closed).code).toBe('unavailable')
})

test('a connection that cannot be taken does not end the process of a server', async () => {
  // As node tells of an accept(2) that failed.
  server.emit('error', Object.assign(new Error('accept ENOMEM'), { code: 'ENOMEM' }))
  const connection = connect(await connectUnix(`${base}/s`))
  const answer = await connection.call(methodPrefix('test.Echo', 'Bulk'), Buffer.from('x'))
  expect(Buffer.from(answer).toString()).toBe('x')
  connection.close()
})

test('the end of a peer ends the connection on the other side', async () => {
  const connection = connect(await connectUnix(`${base}/s`))
  while (accepted.length === 0) await Bun.sleep(1)
  accepted[0]!.close(new Error('enough'))
  expect((await connection.closed).code).toBe('unavailable')
})

test('a peer that goes on sending does not keep a connection that was closed', async () => {
  const peers: Socket[] = []
  const deaf = createServer({ allowHalfOpen: true }, (peer) => peers.push(peer.on('error', () => {})))
  await new Promise<void>((resolve) => deaf.listen(`${base}/deaf`, resolve))
  try {
    const transport = await connectUnix(`${base}/deaf`)
    let isOver = false
    transport.onClose(() => {
      isOver = true
    })
    transport.onData(() => {})
    transport.close()
    const send = () => {
      for (const peer of peers) peer.write('x')
      return isOver
    }
    expect(await until(send, { timeoutMs: 30_000, everyMs: 100 })).toBe(true)
  } finally {
    for (const peer of peers) peer.destroy()
    deaf.close()
  }
}, 40_000)

test('a path where nobody listens, and one where somebody does', async () => {
  await expect(connectUnix('/no/such')).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(listenUnix(`${base}/s`, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
