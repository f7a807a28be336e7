/** The process that waits for a container in the background and does what its restart policy says. */
import { KataError } from '../../../errors.ts'
import { makeUnderDirectoryLock, underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { isAlive, isThisProcess, processRef } from '../../../linux/processes/proc.ts'
import { signalProcess, waitGone } from '../../../linux/processes/signal.ts'
import { within } from '../../../time.ts'
import { exitCodeOf } from '../../exit-code.ts'
import { tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord, recordPaths, updateRecord } from '../record.ts'
import { runAgain } from '../run.ts'
import { catchSignals, Interrupted } from '../signals.ts'
import { observe } from '../status.ts'
import { cleanUpRun } from './clean-up.ts'
import { spawnMonitor } from './monitor.ts'
import { longerPause, untilStart } from './restart-policy.ts'
import { isRestartWanted, needsKeeper, noteStop } from './restarts.ts'

/** How long a keeper that starts its container may take to give that up. */
const giveUpMs = 30_000
/** How long another command that holds the container is waited for at a time, milliseconds. */
const busyMs = 1000

/** Has a process wait for a container that runs, if it needs one and none does; for one who holds the container. */
export function ensureKeeper(settings: Settings, record: ContainerRecord): void {
  if (!lacksKeeper(record)) return
  const owner = processRef(spawnMonitor(settings, record))
  updateRecord(settings.stateDir, record.namespace, record.id, { owner, detached: true })
}

/** The same, for one who does not hold the container: two who come at once start one process. */
export async function ensureOneKeeper(settings: Settings, record: ContainerRecord): Promise<void> {
  if (!lacksKeeper(record)) return
  const { stateDir } = settings
  const { namespace, id } = record
  await underDirectoryLock(recordPaths(stateDir, namespace, id).directory, busyMs, async () => {
    const now = readRecord(stateDir, namespace, id)
    if (now.status !== 'stopped') ensureKeeper(settings, now)
  })
}

function lacksKeeper(record: ContainerRecord): boolean {
  const { owner } = record
  return needsKeeper(record) && !(owner !== undefined && isAlive(owner))
}

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
    await runAgain(settings, record, { isKeeper: true, changes: { restarts: (record.restarts ?? 0) + 1 } })
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

/** Ends the process that waits to start a container again, whose policy was taken back. */
export async function endKeeper({ owner }: ContainerRecord): Promise<void> {
  if (owner === undefined) return
  signalProcess(owner, 'SIGTERM')
  await waitGone(owner, giveUpMs)
}

/**
 * Notes that a person wants the container to end. What its policy is about to start again is not started; returns once the
 * process that waits for that has ended.
 */
export async function forbidRestart(settings: Settings, record: ContainerRecord): Promise<void> {
  const { stateDir } = settings
  const { namespace, id } = record
  if (record.restart === undefined) return
  noteStop(settings, record)
  try {
    const now = readRecord(stateDir, namespace, id)
    const { status } = await observe(now)
    const isPolicys = status === 'restarting' || (status === 'creating' && (now.restarts ?? 0) > 0)
    if (isPolicys) await endKeeper(now)
  } catch (error) {
    if (!(error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND')) throw error
  }
}
