/** The connections of the shim's clients. */
import { KataError } from '../../errors.ts'
import { peerOf } from '../../linux/sockets/peer.ts'
import type { Logger } from '../../log.ts'
import { DirectVolumesDefinition } from '../../protocol/direct-volumes.ts'
import { SandboxDefinition } from '../../protocol/generated/containerd/sandbox.ts'
import { TaskDefinition } from '../../protocol/generated/containerd/task.ts'
import { listen } from '../../ttrpc/bun.ts'
import { type CallContext, type Service, serve, service, type Transport } from '../../ttrpc/ttrpc.ts'
import { collectWhenIdle, returnMemory, watched } from './idle.ts'
import type { ShimServices } from './services.ts'
import { isAsked, toStatus } from './status.ts'

/** containerd 2 calls the same service by this name, unless `start` answered with version 2. Its messages are those of version 2. */
const taskV3 = { ...TaskDefinition, fullName: 'containerd.task.v3.Task' }

/** What may wait for a client that does not read. Our answers are small: a client that reads comes nowhere near. */
const maxUnreadBytes = 16 * 1024 * 1024

export interface Clients {
  /** How many are connected. */
  count(): number
  /**
   * Returns whether one of those that are connected now still is, for later. The command line does not count: it looks into pods of others, and comes and
   * goes whatever becomes of their client.
   */
  now(): () => boolean
  /** Takes no more of them. */
  stop(): void
}

/** Serves each client that connects to the listening socket `fd`, and returns memory whenever the calls have stopped. */
export function serveClients(fd: number, { pod, tasks, sandbox }: ShimServices, log: Logger): Clients {
  const services = [
    ...[TaskDefinition, taskV3].map((definition) => service(definition, tasks, ['wait'])),
    service(SandboxDefinition, sandbox, ['waitSandbox']),
    service(DirectVolumesDefinition, {
      getVolumeStats: ({ volumeGuestPath }) => pod.volumeStats(volumeGuestPath),
      resizeVolume: async ({ volumeGuestPath, size }) => {
        await pod.resizeVolume(volumeGuestPath, size)
        return {}
      },
    }),
  ]
  const busy = collectWhenIdle(returnMemory)
  busy()
  const connected = new Set<Transport>()
  const visitors = new WeakSet<Transport>()
  const listener = listen({ fd }, (transport, connection) => {
    connected.add(transport)
    const { pid: peer } = peerOf(connection)
    const onError = (error: unknown, call?: { method: string }) => logFailure(log, error, call)
    const options = { toStatus, onError, peer, maxUnreadBytes }
    const noted = services.map((entry) =>
      overheard(entry, ({ metadata }) => void (isAsked(metadata) && visitors.add(transport))),
    )
    void serve(watched(transport, busy), noted, options).closed.then(() => connected.delete(transport))
  })
  const now = () => {
    const those = [...connected]
    return () => those.some((transport) => connected.has(transport) && !visitors.has(transport))
  }
  return { count: () => connected.size, now, stop: () => listener.stop() }
}

/** The same service; `hear` is told of each call first. */
function overheard({ name, methods }: Service, hear: (call: CallContext) => void): Service {
  const heard = [...methods].map(([method, entry]) => {
    const handler: typeof entry.handler = (request, call) => {
      hear(call)
      return entry.handler(request, call)
    }
    return [method, { ...entry, handler }] as const
  })
  return { name, methods: new Map(heard) }
}

/** Clients make calls to find out whether something still exists. */
function logFailure(log: Logger, error: unknown, call: { method: string } | undefined): void {
  const level = error instanceof KataError && error.status === 'not_found' ? 'debug' : 'warn'
  log[level]('call failed', { method: call?.method, error })
}
