/**
 * A shim that waits: it has made a machine, and becomes the shim of the first pod of its own configuration that asks for it. Until
 * then it belongs to the pool server, and ends with it.
 */
import { loadConfig } from '../../config/load.ts'
import { assertRightsDropped } from '../../rootless/shim-rights.ts'
import { noteWaiting } from '../../sandbox/pool/pool.ts'
import { makeWaitingMachine, type WaitingMachine } from '../../sandbox/pool/waiting-machine.ts'
import { defaultRunDir } from '../../sandbox/records/paths.ts'
import { thisHost } from '../../sandbox/start/host.ts'
import { openWallsOf } from '../../sandbox/start/prepare/open-walls.ts'
import { adoptConnected } from '../../ttrpc/bun.ts'
import type { Transport } from '../../ttrpc/transport.ts'
import { servePod, whenInterrupted } from '../daemon/serve.ts'
import { shimLog } from '../daemon/services.ts'
import type { ShimFlags } from '../flags.ts'
import { isCurrent } from './is-current.ts'
import { listenForPod } from './listen-for-pod.ts'
import type { TakenPod } from './take-pod.ts'
import { poolServerFd } from './wait.ts'
import { waitingLog } from './waiting-log.ts'

/** @throws KataError SHIM_RIGHTS, TEMPLATE_UNUSABLE, those of a sandbox's start up to its guest. */
export async function serveWaiting(flags: ShimFlags): Promise<number> {
  assertRightsDropped()
  const runDir = flags.runDir ?? defaultRunDir
  const { log, becomePods } = waitingLog(flags.id)
  const interrupted = whenInterrupted(log)
  const server = await adoptConnected(poolServerFd)
  const { signal, abort } = givenUpBy(server, interrupted)
  const from = { file: flags.config, env: process.env }
  const config = loadConfig({ ...from, log })
  const machine = await makeWaitingMachine({ id: flags.id, runDir, config, log, signal })
  const pod = await waitForPod(machine, runDir, {
    server,
    signal,
    abort,
    isCurrent: () => isCurrent(config, from),
  })
  if (pod === undefined) return 0
  becomePods(pod.flags.id)
  return servePod({ ...pod, interrupted, log: shimLog(pod.flags), machine })
}

/** The wait ends with its pool server, or by a signal. */
function givenUpBy(server: Transport, interrupted: Promise<void>) {
  const over = new AbortController()
  const abort = () => over.abort(new Error('the machine is not to wait any more'))
  server.onClose(abort)
  void interrupted.then(abort)
  return { signal: over.signal, abort }
}

/** The pod that takes the machine; undefined when none does. Then, and when it cannot wait, the machine is released. */
async function waitForPod(
  machine: WaitingMachine,
  runDir: string,
  options: Parameters<typeof podOf>[2],
): Promise<TakenPod | undefined> {
  let pod: TakenPod | undefined
  try {
    const template = machine.clone.template.facts.key
    noteWaiting(machine.paths, { template, openWalls: await openWallsOf(thisHost, machine) })
    pod = await podOf(machine, runDir, options)
    return pod
  } finally {
    if (pod === undefined) await machine.release()
  }
}

/** The pod that takes the machine; undefined when none does, because its machine or the wait has ended. */
async function podOf(
  machine: WaitingMachine,
  runDir: string,
  {
    server,
    signal,
    abort,
    isCurrent,
  }: { server: Transport; signal: AbortSignal; abort: () => void; isCurrent: () => boolean },
): Promise<TakenPod | undefined> {
  const { promise, resolve } = Promise.withResolvers<TakenPod | undefined>()
  const socket = listenForPod(machine, { runDir, isCurrent, onTaken: resolve, onEnd: abort })
  const leave = () => resolve(undefined)
  signal.addEventListener('abort', leave, { once: true })
  machine.end.over.addEventListener('abort', leave, { once: true })
  if (signal.aborted || machine.end.over.aborted) leave()
  else server.write(new TextEncoder().encode('ready\n'))?.catch(() => {})
  // It may wait for long, and needs nothing more until then.
  Bun.gc(true)
  const pod = await promise
  socket.close()
  // From here on the pod's end is no affair of the pool server.
  if (pod !== undefined) server.onClose(() => {})
  server.close()
  return pod
}
