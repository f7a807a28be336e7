/** Cloud Hypervisor, or its double, by itself: no jail, no driver; asked by bytes, and its events kept. */
import { closeSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'bun'
import { adoptSocket } from '../../src/linux/adopt-socket.ts'
import { listenUnix, socketPair } from '../../src/linux/socket.ts'
import { EventReader, type MonitorEvent } from '../../src/vmm/cloud-hypervisor/events.ts'

/** A recorded request with what it was answered. */
export interface Answered {
  /** Method and path. */
  readonly request: string
  /** Text where it was no JSON, null where there was none. */
  readonly body: object | string | null
  /** Lines, without their ends. */
  readonly head: readonly string[]
  readonly answer: string
}

export interface Alone extends AsyncDisposable {
  readonly events: readonly MonitorEvent[]
  /** On a connection of its own. */
  ask(asked: Pick<Answered, 'request' | 'body'>): Promise<Pick<Answered, 'head' | 'answer'>>
  /** Its exit code. */
  readonly exited: Promise<number>
}

export async function startAlone(path: string, apiSocket: string): Promise<Alone> {
  const listener = listenUnix(apiSocket)
  const [events, theirEvents] = socketPair()
  // Its console and log: the double has a socket there, as the driver gives it.
  const [output, theirOutput] = socketPair()
  const child = Bun.spawn([path, '--api-socket', 'fd=3', '--event-monitor', 'fd=4', '--seccomp', 'true'], {
    stdio: ['ignore', theirOutput, theirOutput, listener, theirEvents],
  })
  for (const fd of [listener, theirEvents, theirOutput]) closeSync(fd)
  const reader = new EventReader()
  const seen: MonitorEvent[] = []
  const sockets: Socket<undefined>[] = [
    await adoptSocket(events, { data: (_, bytes) => void seen.push(...reader.push(bytes)) }),
    await adoptSocket(output, { data: () => {} }),
  ]
  return {
    events: seen,
    ask: (asked) => ask(apiSocket, asked),
    exited: child.exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
      for (const socket of sockets) socket.end()
    },
  }
}

function ask(path: string, { request, body }: Pick<Answered, 'request' | 'body'>) {
  const text = body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const length = body === null ? '' : `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n`
  const { promise, resolve, reject } = Promise.withResolvers<Pick<Answered, 'head' | 'answer'>>()
  let got = ''
  const socket = connect(path, () =>
    socket.write(
      `${request} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n${length}\r\n${text}`,
    ),
  )
  const finish = () => {
    const end = got.indexOf('\r\n\r\n')
    const expected = Number(/^content-length: (\d+)/im.exec(got.slice(0, end))?.[1] ?? 0)
    if (end < 0 || got.length < end + 4 + expected) return
    socket.destroy()
    resolve({ head: got.slice(0, end).split('\r\n'), answer: got.slice(end + 4) })
  }
  socket.on('data', (bytes) => {
    got += bytes.toString()
    finish()
  })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error(`the connection ended after ${JSON.stringify(got)}`)))
  return promise
}
