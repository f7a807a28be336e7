/** Restarts a container by its policy, for its monitor. */
import { makeUnderDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { isThisProcess } from '../../../linux/processes/proc.ts'
import { within } from '../../../time.ts'
import { exitCodeOf } from '../../exit-code.ts'
import { tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord, recordPaths, updateRecord } from '../record.ts'
import { runAgain } from '../run.ts'
import { catchSignals, Interrupted } from '../signals.ts'
import { cleanUpRun } from './clean-up.ts'
import { longerPause, untilStart } from './restart-policy.ts'
import { isRestartWanted } from './restarts.ts'

/** Most time to wait at once for another command that holds the container, milliseconds. */
const busyMs = 1000

/**
 * Waits until the container is to be restarted, and starts it. False if it stays stopped: no restart was wanted, or a signal has ended the wait.
 */
export async function startAgain(
  settings: Settings,
  { namespace, id, createdAt }: ContainerRecord,
): Promise<boolean> {
  const { stateDir } = settings
  // The pause between two attempts here. On a full disk, a start may fail before the record says that it was tried.
  for (let pauseMs = 0; ; ) {
    const record = readRecord(stateDir, namespace, id)
    if (record.restartsAt === undefined || record.createdAt !== createdAt) return false
    if (!(await pause(Math.max(pauseMs, untilStart(record.restartsAt, Date.now()))))) return false
    const { directory } = recordPaths(stateDir, namespace, id)
    const outcome = await makeUnderDirectoryLock(directory, busyMs, () =>
      startHeld(settings, readRecord(stateDir, namespace, id)),
    )
    if (outcome === 'gone') return false
    // The record then tells what the other command did: started, stopped or removed the container, or only saved its machine.
    if (outcome === 'busy') continue
    const { value: result } = outcome
    if (typeof result === 'boolean') return result
    await cleanUpStart(settings, readRecord(stateDir, namespace, id), result)
    pauseMs = longerPause(pauseMs)
  }
}

/** Whether the container was started; or the exit code of a failed start. */
async function startHeld(settings: Settings, record: ContainerRecord): Promise<boolean | number> {
  const { namespace, id, status, restartsAt } = record
  // The policy may have been taken back just after this restart was noted.
  if (isRestartWanted(record) && status === 'stopped' && restartsAt !== undefined)
    return tryStart(settings, record)
  updateRecord(settings.stateDir, namespace, id, { restartsAt: undefined })
  return false
}

/** True once the container runs; or the exit code of a failed start, which counts as an end of the container. */
async function tryStart(settings: Settings, record: ContainerRecord): Promise<true | number> {
  try {
    await runAgain(settings, record, { isMonitor: true, changes: { restarts: (record.restarts ?? 0) + 1 } })
    return true
  } catch (error) {
    tellError(settings, error)
    return exitCodeOf(error)
  }
}

/** Cleans up after a failed start, in case its own clean-up failed, too. */
async function cleanUpStart(settings: Settings, run: ContainerRecord, exitCode: number): Promise<void> {
  const { status, owner } = run
  if (status !== 'stopped' && owner !== undefined && isThisProcess(owner))
    await cleanUpRun(settings, { run, exitCode })
}

/** False if a signal ended the pause: a user wants no more restarts, or the host shuts down. */
async function pause(ms: number): Promise<boolean> {
  const signals = catchSignals()
  try {
    await within(signals.interrupted, ms)
    return true
  } catch (error) {
    if (error instanceof Interrupted) return false
    throw error
  } finally {
    signals.release()
  }
}
