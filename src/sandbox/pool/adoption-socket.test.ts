import { afterAll, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { listenUnix } from '../../linux/sockets/socket.ts'
import { listen } from '../../ttrpc/bun.ts'
import { transportPair } from '../../ttrpc/ttrpc.ts'
import { answerOne, askWaiting, type NewPod, type Question, socketOf } from './adoption-socket.ts'

const stateDir = mkdtempSync(`${tmpdir()}/kata-ts-adoption-`)
afterAll(() => rmSync(stateDir, { recursive: true }))

const pod: NewPod = {
  build: '1.0.0 abc',
  namespace: 'k8s.io',
  id: 'a',
  address: '/c.sock',
  publishBinary: 'containerd',
  bundle: '/b',
  debug: false,
  configPath: '',
  env: { PATH: '/bin', LONG: 'x'.repeat(100_000) },
}

test('a question arrives as it was asked, and is answered', async () => {
  const socket = socketOf({ stateDir })
  const asked: Question[] = []
  const listener = listen({ fd: listenUnix(socket) }, (transport) => {
    void answerOne(transport, (question) => {
      asked.push(question)
      return { done: question.ask === 'adopt', reason: 'so it is' }
    })
  })
  expect(await askWaiting(socket, { ask: 'adopt', pod }, 5000)).toEqual({ done: true, reason: 'so it is' })
  expect(await askWaiting(socket, { ask: 'end' }, 5000)).toEqual({ done: false, reason: 'so it is' })
  expect(asked).toEqual([{ ask: 'adopt', pod }, { ask: 'end' }])
  listener.stop()
})

test('who does not answer is not waited for', async () => {
  const socket = socketOf({ stateDir })
  rmSync(socket, { force: true })
  const listener = listen({ fd: listenUnix(socket) }, () => {})
  await expect(askWaiting(socket, { ask: 'end' }, 20)).rejects.toThrow('no answer within 0.02 s')
  listener.stop()
  rmSync(socket, { force: true })
  await expect(askWaiting(socket, { ask: 'end' }, 5000)).rejects.toMatchObject({ code: 'ENOENT' })
})

/** Sockets of this name: the one that listens, and the ends of connections. */
const unixSockets = (path: string) =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .filter((line) => line.endsWith(` ${path}`)).length

test('a question that is reset before all of it is read fails, and nothing else does', async () => {
  const socket = socketOf({ stateDir })
  const listener = listenUnix(socket)
  const env = { LONG: 'x'.repeat(1024 * 1024) }
  const asked = askWaiting(socket, { ask: 'adopt', pod: { ...pod, env } }, 5000)
  // The connection waits to be taken.
  while (unixSockets(socket) < 2) await Bun.sleep(1)
  closeSync(listener)
  rmSync(socket)
  await expect(asked).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test.each(['{"ask":"adopt","pod":{"id":"a"}}', '{"ask":"open"}', 'what'])(
  '%s is no question',
  async (line) => {
    const [here, there] = transportPair()
    const answered = answerOne(there, () => ({ done: true, reason: '' }))
    void here.write(new TextEncoder().encode(`${line}\n`))
    await expect(answered).rejects.toThrow()
  },
)

test('a line without an end is refused', async () => {
  const [here, there] = transportPair()
  const answered = answerOne(there, () => ({ done: true, reason: '' }))
  const refused = answered.then(
    () => 'answered',
    (error: Error) => error.message,
  )
  for (let piece = 0; piece < 5; piece++) void here.write(new Uint8Array(1024 * 1024).fill(0x78))
  expect(await refused).toContain('too long')
})
