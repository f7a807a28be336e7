/** The daemon: serves the Task and Sandbox services of one sandbox on the socket that `start` bound, until its client is done. */
import { existsSync } from 'node:fs'
import type { Logger } from '../../log.ts'
import { assertRightsDropped } from '../../rootless/shim-rights.ts'
import type { WaitingMachine } from '../../sandbox/pool/waiting-machine.ts'
import { removeDeadSocket } from '../../sandbox/records/dead-socket.ts'
import { defaultRunDir, shimSocketPath } from '../../sandbox/records/paths.ts'
import { sleep, within } from '../../time.ts'
import type { ShimFlags } from '../flags.ts'
import { whenAbandoned } from './abandoned.ts'
import { type Clients, serveClients } from './clients.ts'
import { makeServices, type ShimServices, shimLog } from './services.ts'
import { onUnhandled } from './unhandled.ts'

/** `start` hands the listening socket over as the first descriptor after the standard streams. */
const listenerFd = 3
/** How long delivery of the last events may take, milliseconds: containerd may be gone. */
const flushMs = 2000
/** How long a client that asked for the end as well may wait for its answer, milliseconds. */
const answerMs = 2000

/** @throws KataError SHIM_RIGHTS. */
export async function serveShim(flags: ShimFlags): Promise<number> {
  assertRightsDropped()
  const log = shimLog(flags)
  return servePod({ flags, listener: listenerFd, interrupted: whenInterrupted(log), log })
}

/** Serves the clients of a pod until they are done with it, or `interrupted` settles. */
export async function servePod({
  flags,
  listener,
  interrupted,
  log,
  machine,
}: {
  readonly flags: ShimFlags
  /** The listening socket. */
  readonly listener: number
  readonly interrupted: Promise<void>
  readonly log: Logger
  /** The machine that waited for the pod; absent for a pod that starts its own. */
  readonly machine?: WaitingMachine
}): Promise<number> {
  const runDir = flags.runDir ?? defaultRunDir
  const clientsNow = () => clients.now()
  const services = makeServices({ flags, runDir, log, machine, clientsNow })
  const clients: Clients = serveClients(listener, services, log)
  const abandoned = whenAbandoned(() => isAlone(flags, services, clients))
  await Promise.race([services.shutdownRequested, interrupted, abandoned])
  await leave(services, clients, shimSocketPath(runDir, flags.namespace, flags.id))
  return 0
}

/**
 * Ends the pod, and then the service. The name is free before the last events are waited for: a client that has the answer to Shutdown may
 * start another shim of that name at once, whose socket must be neither refused nor removed.
 */
export async function leave(
  {
    pod,
    events,
    tasks,
  }: {
    readonly pod: Pick<ShimServices['pod'], 'stopAnyway'>
    readonly events: Pick<ShimServices['events'], 'flush'>
    readonly tasks: Pick<ShimServices['tasks'], 'shutdownsAnswered'>
  },
  clients: Pick<Clients, 'stop'>,
  socket: string,
): Promise<void> {
  await pod.stopAnyway()
  clients.stop()
  removeDeadSocket(socket)
  await events.flush(flushMs)
  await within(tasks.shutdownsAnswered(), answerMs)
  // The answers to Shutdown leave before the process exits.
  await sleep(10)
}

/** Resolves with the first signal to end, or the first error that nothing caught. Later ones change nothing: the end takes its time. */
export function whenInterrupted(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    // Without a listener the second one would kill the shim while its guest writes back.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
    onUnhandled(log, resolve)
    // The daemon has its own session; a closed terminal is no reason to exit.
    process.on('SIGHUP', () => {})
  })
}

function isAlone({ bundle }: ShimFlags, { tasks }: ShimServices, clients: Clients): boolean {
  const isForgotten = tasks.isOver && !existsSync(bundle)
  return clients.count() === 0 && (tasks.isIdle || isForgotten)
}
