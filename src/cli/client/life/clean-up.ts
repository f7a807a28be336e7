/** The clean-up after a run of a container, by its monitor. */
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { until } from '../../../time.ts'
import { explain, tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { endContainer } from '../end.ts'
import { type ContainerRecord, readRecord, recordPaths } from '../record.ts'
import type { TaskClient } from '../task.ts'
import { longerPause } from './restart-policy.ts'
import { afterEnd, isRestartWanted } from './restarts.ts'

/** How long another command that has the container in hand is waited for, milliseconds, before the next pause. */
const busyMs = 1000

/** Which run has ended, as its record said, and how. */
export interface RunEnd {
  readonly run: ContainerRecord
  /** Undefined: its shim was lost. */
  readonly exitCode: number | undefined
  readonly task?: TaskClient | undefined
}

/**
 * Releases what the run holds, and notes whether its policy starts the container again. What fails, as on a full disk, is tried again with
 * the pauses of the policy, which nobody else goes on with, for as long as that wants another start.
 *
 * @throws as {@link endContainer}, for a container that does not start again: it is left to `gc`.
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
    // Who stops or removes it waits for this process.
    const isOver = () => !isRestartWanted(readRecord(settings.stateDir, end.run.namespace, end.run.id))
    await until(isOver, { timeoutMs: pauseMs, everyMs: 100 })
  }
}

const release = (settings: Settings, { run, exitCode, task }: RunEnd, endedAt: number): Promise<void> =>
  endContainer(settings, run, { exitCode, task, note: (code) => afterEnd(settings, run, code, endedAt) })

/** Another command may have done that meanwhile, and have started the container: that run is none of ours. */
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
