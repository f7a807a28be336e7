/** The monitor's clean-up after a run of its container. */
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { until } from '../../../time.ts'
import { explain, tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { endContainer } from '../end.ts'
import { type ContainerRecord, readRecord, recordPaths } from '../record.ts'
import type { TaskClient } from '../task.ts'
import { longerPause } from './restart-policy.ts'
import { afterEnd, isRestartWanted } from './restarts.ts'

/** Most time to wait for another command that holds the container, milliseconds, before the next pause. */
const busyMs = 1000

/** The run that has ended, with its record, and how it ended. */
export interface RunEnd {
  readonly run: ContainerRecord
  /** Undefined if the shim was lost. */
  readonly exitCode: number | undefined
  readonly task?: TaskClient | undefined
}

/**
 * Releases what the run holds, and notes whether the policy restarts the container. A failure, for instance on a full disk, is retried with the
 * policy's pauses, as long as the policy wants a restart; no other process would retry it.
 *
 * @throws as {@link endContainer}, for a container that is not restarted. `gc` cleans up then.
 */
export async function cleanUpRun(settings: Settings, end: RunEnd): Promise<void> {
  let told = ''
  const endedAt = Date.now()
  for (let pauseMs = 0; ; ) {
    try {
      if (pauseMs === 0) return await release(settings, end, endedAt)
      if ((await releaseAgain(settings, end, endedAt)) !== 'busy') return
    } catch (error) {
      const { namespace, id } = end.run
      if (!isRestartWanted(readRecord(settings.stateDir, namespace, id))) throw error
      if (told !== explain(error)) tellError(settings, error)
      told = explain(error)
    }
    pauseMs = longerPause(pauseMs)
    // A command that stops or removes the container waits for this process.
    const isOver = () => !isRestartWanted(readRecord(settings.stateDir, end.run.namespace, end.run.id))
    await until(isOver, { timeoutMs: pauseMs, everyMs: 100 })
  }
}

const release = (settings: Settings, { run, exitCode, task }: RunEnd, endedAt: number): Promise<void> =>
  endContainer(settings, run, { exitCode, task, note: (code) => afterEnd(settings, run, code, endedAt) })

/** Releases the run, unless another command has done so meanwhile. A new run of the container must not be touched. */
function releaseAgain(
  settings: Settings,
  { run, exitCode }: RunEnd,
  endedAt: number,
): Promise<'done' | 'gone' | 'busy'> {
  const { stateDir } = settings
  const { namespace, id } = run
  return underDirectoryLock(recordPaths(stateDir, namespace, id).directory, busyMs, async () => {
    const now = readRecord(stateDir, namespace, id)
    const isSame = now.status === run.status && now.startedAt === run.startedAt
    if (isSame) await release(settings, { run, exitCode }, endedAt)
  })
}
