/** Cloud Hypervisor, or its double, by itself: no jail, no driver; asked by bytes, and its events kept. */
import { closeSync } from 'node:fs'
import type { Socket } from 'bun'
import { adoptSocket } from '../../../src/linux/sockets/adopt-socket.ts'
import { listenUnix, socketPair } from '../../../src/linux/sockets/socket.ts'
import { EventReader, type MonitorEvent } from '../../../src/vmm/cloud-hypervisor/api/events.ts'
import { type Answered, askApi } from './ask-api.ts'

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
    ask: (asked) => askApi(apiSocket, asked),
    exited: child.exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
      for (const socket of sockets) socket.end()
    },
  }
}
