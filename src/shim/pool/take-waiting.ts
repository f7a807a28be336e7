/** In `start`: finds a waiting machine whose shim takes the pod. */
import { closeSync } from 'node:fs'
import { warnClient } from '../../bundle/warnings.ts'
import { describeError, KataError } from '../../errors.ts'
import { createLogger, jsonLines, silentLogger } from '../../log.ts'
import { adoptionSockets, askWaiting, type NewPod } from '../../sandbox/pool/adoption-socket.ts'
import { sandboxPaths, waitingPaths } from '../../sandbox/records/paths.ts'
import { machineDir } from '../../sandbox/records/state-dir.ts'
import { openLog } from '../leave-daemon.ts'

/** How long one that waits may take to answer, milliseconds: it reads a configuration and binds a socket. */
const answerMs = 2000

/**
 * Whether a shim that waited serves the pod by now. One that refuses is passed over, and so is one that another pod takes meanwhile: it stops
 * listening, which resets the questions of the others. One that does not answer is killed before another shim is started, so that no two can
 * serve the pod; the client is warned of it.
 *
 * @throws KataError RELEASE_FAILED, TEARDOWN_BUSY for a shim that had taken the pod, and hung before it said so.
 */
export async function takeWaiting(runDir: string, pod: NewPod): Promise<boolean> {
  for (const { id, socket } of adoptionSockets(runDir)) {
    try {
      const { done } = await askWaiting(socket, { ask: 'adopt', pod }, answerMs)
      if (done) return true
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') continue
      if (await killUnlessAnothers(runDir, id, pod)) warn(id, pod.bundle, cause)
    }
  }
  return false
}

/**
 * Kills the shim of a machine that is no other pod's; whether it did. A shim has the pod's name before it stops listening. What reads ledgers takes
 * long to load, and no usual start needs it.
 */
async function killUnlessAnothers(runDir: string, id: string, pod: NewPod): Promise<boolean> {
  const { listWaiting } = await import('../../sandbox/records/gc.ts')
  const { killUntaken } = await import('../../sandbox/pool/pool.ts')
  const { teardown } = await import('../../sandbox/end/teardown.ts')
  const waiting = waitingPaths(runDir, id)
  const named = sandboxPaths(runDir, pod.namespace, pod.id)
  const isOurs = () => machineDir(named) === waiting.stateDir
  const isAnothers = () => !(isOurs() || listWaiting(runDir).some((machine) => machine.id === id))
  if (!(await killUntaken(waiting, silentLogger, isAnothers))) return false
  if (isOurs()) await teardown(named, silentLogger)
  return true
}

function warn(id: string, bundle: string, cause: unknown): void {
  const reason = `the shim of ${id} is of no use, ${describeError(cause)}`
  const log = openLog(bundle)
  try {
    const error = new KataError('POOL_UNUSABLE', { reason }, { cause })
    warnClient(bundle, error.message, createLogger({ sink: jsonLines(log) }))
  } finally {
    closeSync(log)
  }
}
