/** What the monitor of a container does once that has ended: its restart policy. */
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

/** How long another command that holds the container is waited for at a time, milliseconds. */
const busyMs = 1000

/**
 * Waits for the time at which a container that has ended starts again, and starts it. False when it stays ended: nothing wanted
 * that, or somebody has ended the waiting.
 */
export async function startAgain(
  settings: Settings,
  { namespace, id, createdAt }: ContainerRecord,
): Promise<boolean> {
  const { stateDir } = settings
  // Between two starts of this process: one may fail before the record says that it was tried, as on a full disk.
  for (let pauseMs = 0; ; ) {
    const record = readRecord(stateDir, namespace, id)
    if (record.restartsAt === undefined || record.createdAt !== createdAt) return false
    if (!(await pause(Math.max(pauseMs, untilStart(record.restartsAt, Date.now()))))) return false
    const { directory } = recordPaths(stateDir, namespace, id)
    const outcome = await makeUnderDirectoryLock(directory, busyMs, () =>
      startHeld(settings, readRecord(stateDir, namespace, id)),
    )
    if (outcome === 'gone') return false
    // The record says then whether the other command has started, stopped or removed it, or has only saved its machine.
    if (outcome === 'busy') continue
    const { value: result } = outcome
    if (typeof result === 'boolean') return result
    await cleanUpStart(settings, readRecord(stateDir, namespace, id), result)
    pauseMs = longerPause(pauseMs)
  }
}

/** Whether it was started; the exit code of a start that failed. */
async function startHeld(settings: Settings, record: ContainerRecord): Promise<boolean | number> {
  const { namespace, id, status, restartsAt } = record
  // The policy may have been taken back when this start was just noted.
  if (isRestartWanted(record) && status === 'stopped' && restartsAt !== undefined)
    return tryStart(settings, record)
  updateRecord(settings.stateDir, namespace, id, { restartsAt: undefined })
  return false
}

/** True once it runs; the exit code of a start that fails, which is one more end of the container. */
async function tryStart(settings: Settings, record: ContainerRecord): Promise<true | number> {
  try {
    await runAgain(settings, record, { isMonitor: true, changes: { restarts: (record.restarts ?? 0) + 1 } })
    return true
  } catch (error) {
    tellError(settings, error)
    return exitCodeOf(error)
  }
}

/** A start that failed cleans up by itself, unless that failed, too. */
async function cleanUpStart(settings: Settings, run: ContainerRecord, exitCode: number): Promise<void> {
  const { status, owner } = run
  if (status !== 'stopped' && owner !== undefined && isThisProcess(owner))
    await cleanUpRun(settings, { run, exitCode })
}

/** False when a signal ended the pause: of a person who wants no more starts, or of a host that goes down. */
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
