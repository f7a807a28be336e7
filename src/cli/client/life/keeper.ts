/** The process that waits for a container in the background and does what its restart policy says. */
import { KataError } from '../../../errors.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { isAlive, processRef } from '../../../linux/processes/proc.ts'
import { signalProcess, waitGone } from '../../../linux/processes/signal.ts'
import { within } from '../../../time.ts'
import { tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord, recordPaths, updateRecord } from '../record.ts'
import { runAgain } from '../run.ts'
import { catchSignals, Interrupted } from '../signals.ts'
import { observe } from '../status.ts'
import { spawnMonitor } from './monitor.ts'
import { untilStart } from './restart-policy.ts'
import { needsKeeper, noteStop } from './restarts.ts'

/** How long a keeper that starts its container may take to give that up. */
const giveUpMs = 30_000
/** Another command may hold the container for as long, milliseconds: then it is that one's. */
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
export async function startAgain(settings: Settings, { namespace, id }: ContainerRecord): Promise<boolean> {
  const { stateDir } = settings
  for (;;) {
    const record = readRecord(stateDir, namespace, id)
    if (record.restartsAt === undefined) return false
    if (!(await pause(record.restartsAt))) return false
    let isStarted = false
    const outcome = await underDirectoryLock(
      recordPaths(stateDir, namespace, id).directory,
      busyMs,
      async () => {
        const now = readRecord(stateDir, namespace, id)
        // The policy may have been taken back when this start was just noted.
        const isWanted = now.stopWanted !== true && (now.restart?.name ?? 'no') !== 'no'
        if (!isWanted || now.status !== 'stopped' || now.restartsAt === undefined) {
          updateRecord(stateDir, namespace, id, { restartsAt: undefined })
          return
        }
        isStarted = await tryStart(settings, now)
      },
    )
    if (outcome !== 'done') return false
    if (isStarted) return true
  }
}

/** A start that fails is one more end of the container. */
async function tryStart(settings: Settings, record: ContainerRecord): Promise<boolean> {
  try {
    await runAgain(settings, record, { isKeeper: true, changes: { restarts: (record.restarts ?? 0) + 1 } })
    return true
  } catch (error) {
    tellError(settings, error)
    return false
  }
}

/** False when a signal ended the pause: of a person who wants no more starts, or of a host that goes down. */
async function pause(restartsAt: string): Promise<boolean> {
  const signals = catchSignals()
  try {
    await within(signals.interrupted, untilStart(restartsAt, Date.now()))
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
