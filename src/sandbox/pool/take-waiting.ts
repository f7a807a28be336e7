/** Finds a waiting machine whose shim takes a pod that starts. */
import { closeSync, existsSync } from 'node:fs'
import { openShimLog } from '../../bundle/shim-log.ts'
import { warnClient } from '../../bundle/warnings.ts'
import { describeError, KataError } from '../../errors.ts'
import { isListening } from '../../linux/sockets/socket.ts'
import { createLogger, jsonLines, type Logger, silentLogger } from '../../log.ts'
import { sandboxPaths, waitingPaths } from '../records/paths.ts'
import { machineDir } from '../records/state-dir.ts'
import { adoptionSockets, askWaiting, type NewPod } from './adoption-socket.ts'

/** How long one that waits may take to answer, milliseconds: it reads a configuration and binds a socket. */
const answerMs = 2000

/**
 * Whether a shim that waited serves the pod by now. One that refuses is passed over, and the log of the pod's shim says why. So is one that
 * ends, or that another pod takes meanwhile: it takes its socket away and stops listening, which resets the questions of the others. One that
 * does not answer is killed before another shim is started, so that no two can serve the pod; the client is warned of it.
 *
 * @throws KataError RELEASE_FAILED, TEARDOWN_BUSY for a shim that had taken the pod, and hung before it said so; PROCESS_ELSEWHERE for one that
 *   hangs and cannot be killed from here.
 */
export async function takeWaiting(runDir: string, pod: NewPod): Promise<boolean> {
  const refusals: Record<string, string> = {}
  for (const { id, socket } of adoptionSockets(runDir)) {
    try {
      const { done, reason } = await askWaiting(socket, { ask: 'adopt', pod }, answerMs)
      if (done) return true
      refusals[id] = reason
    } catch (cause) {
      if (takesNone(runDir, id, socket, pod)) continue
      if (await isOver(runDir, id, socket, pod)) warn(id, pod.bundle, cause)
    }
  }
  // The start itself tells of a bundle that is not there.
  if (Object.keys(refusals).length > 0 && existsSync(pod.bundle))
    logged(pod.bundle, (log) => log.info('no waiting machine is for this pod', { refusals }))
  return false
}

/** Whether a shim that gave no answer has not taken this pod, and will not: it takes its socket away before it ends. */
const takesNone = (runDir: string, id: string, socket: string, pod: NewPod): boolean =>
  !existsSync(socket) && !isNamed(runDir, id, pod)

/** Whether the machine has the pod's name. */
const isNamed = (runDir: string, id: string, pod: NewPod): boolean =>
  machineDir(sandboxPaths(runDir, pod.namespace, pod.id)) === waitingPaths(runDir, id).stateDir

/** Whether the shim of a machine that is no other pod's is dead, or killed, or was of another pid namespace and cannot take the pod any more. */
async function isOver(runDir: string, id: string, socket: string, pod: NewPod): Promise<boolean> {
  try {
    return await killUnlessAnothers(runDir, id, pod)
  } catch (error) {
    const isElsewhere = error instanceof KataError && error.code === 'PROCESS_ELSEWHERE'
    // In this order: it has the name before it stops listening.
    if (isElsewhere && !isListening(socket) && !isNamed(runDir, id, pod)) return true
    throw error
  }
}

/**
 * Kills the shim of a machine that is no other pod's; whether it did. A shim has the pod's name before it stops listening. What reads ledgers takes
 * long to load, and no usual start needs it.
 */
async function killUnlessAnothers(runDir: string, id: string, pod: NewPod): Promise<boolean> {
  const { listWaiting } = await import('../records/gc.ts')
  const { killUntaken } = await import('./pool.ts')
  const { teardown } = await import('../end/teardown.ts')
  const waiting = waitingPaths(runDir, id)
  const isOurs = () => isNamed(runDir, id, pod)
  const isAnothers = () => !(isOurs() || listWaiting(runDir).some((machine) => machine.id === id))
  if (!(await killUntaken(waiting, silentLogger, isAnothers))) return false
  if (isOurs()) await teardown(sandboxPaths(runDir, pod.namespace, pod.id), silentLogger)
  return true
}

function warn(id: string, bundle: string, cause: unknown): void {
  const reason = `the shim of ${id} is of no use, ${describeError(cause)}`
  const error = new KataError('POOL_UNUSABLE', { reason }, { cause })
  logged(bundle, (log) => warnClient(bundle, error.message, log))
}

/** Writes to the log of the shim that is about to start. */
function logged(bundle: string, write: (log: Logger) => void): void {
  const log = openShimLog(bundle)
  try {
    write(createLogger({ sink: jsonLines(log) }))
  } finally {
    closeSync(log)
  }
}
