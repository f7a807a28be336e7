/**
 * The monitor of a container: the process that waits for it in the background, cleans up when it ends, runs its health check and applies its
 * restart policy.
 */
import { constants, openSync } from 'node:fs'
import { KataError } from '../../../errors.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { closing } from '../../../linux/files/open-at.ts'
import { isAlive, isThisProcess, ownProcess, processRef } from '../../../linux/processes/proc.ts'
import { signalProcess, waitGone } from '../../../linux/processes/signal.ts'
import { until } from '../../../time.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord, recordPaths, updateRecord } from '../record.ts'
import { observe } from '../status.ts'
import { needsMonitor } from './restarts.ts'
import { type StopWish, wishStop } from './stop-wish.ts'

/** Most time for a monitor to give up a start of its container, milliseconds. */
const giveUpMs = 30_000
/** Most time to wait for another command that holds the container, milliseconds. */
const busyMs = 1000
/** Most time for a monitor to wait until the record names it, milliseconds. */
const notedMs = 10_000

/**
 * Starts a monitor and returns the changes for the record. Must be called under the record's lock: {@link becomesMonitor} waits until the
 * changes are written, or writing has failed.
 */
export function startMonitor(
  settings: Settings,
  { id, namespace }: ContainerRecord,
): Partial<ContainerRecord> {
  const { self, stateDir, runDir, env } = settings
  const where = ['--namespace', namespace, '--state-dir', stateDir, '--run-dir', runDir]
  const { directory } = recordPaths(stateDir, namespace, id)
  return closing(openLog(`${directory}/monitor.log`), (log) => {
    const monitor = Bun.spawn([self.program, ...self.prefix, 'monitor', ...where, id], {
      cwd: '/',
      env: env as Record<string, string>,
      stdio: ['ignore', 'ignore', log],
      detached: true,
    })
    monitor.unref()
    return { owner: processRef(monitor.pid), detached: true }
  })
}

const { O_RDWR, O_APPEND, O_CREAT, O_TRUNC } = constants

/** Opens the monitor's log. Each monitor begins it anew, and drops the older half when it is full. */
const openLog = (path: string): number => openSync(path, O_RDWR | O_APPEND | O_CREAT | O_TRUNC, 0o600)

/**
 * Whether this process, a new monitor, is the monitor of its container. The process that started it may die before it writes the record, and one
 * of an earlier version writes it a moment later. False if another process waits for the container.
 */
export function becomesMonitor({ stateDir }: Settings, record: ContainerRecord): Promise<boolean> {
  const { namespace, id } = record
  let isOwn = false
  const claim = ({ owner }: ContainerRecord): Partial<ContainerRecord> | undefined => {
    isOwn = owner !== undefined && isThisProcess(owner)
    if (isOwn || (owner !== undefined && isAlive(owner))) return undefined
    isOwn = true
    return { owner: ownProcess(), detached: true }
  }
  const look = () => {
    updateRecord(stateDir, namespace, id, claim, record)
    return isOwn
  }
  return until(look, { timeoutMs: notedMs, everyMs: 20, longestMs: 500 })
}

/**
 * Starts a monitor for a running container that needs one and has none. The caller must hold the container's lock. The record is read again,
 * because the client may be starting a monitor, too.
 */
export function ensureMonitor(settings: Settings, record: ContainerRecord): void {
  if (!lacksMonitor(record)) return
  const { namespace, id } = record
  const start = (now: ContainerRecord) =>
    now.status !== 'stopped' && lacksMonitor(now) ? startMonitor(settings, now) : undefined
  updateRecord(settings.stateDir, namespace, id, start, record)
}

/** As {@link ensureMonitor}, for a caller without the lock. */
export async function ensureOneMonitor(settings: Settings, record: ContainerRecord): Promise<void> {
  if (!lacksMonitor(record)) return
  const { stateDir } = settings
  const { namespace, id } = record
  await underDirectoryLock(recordPaths(stateDir, namespace, id).directory, busyMs, async () =>
    ensureMonitor(settings, readRecord(stateDir, namespace, id)),
  )
}

function lacksMonitor(record: ContainerRecord): boolean {
  const { owner } = record
  return needsMonitor(record) && !(owner !== undefined && isAlive(owner))
}

/** Ends the monitor that waits to restart a container, after the policy was taken back. */
export async function endMonitor({ owner }: ContainerRecord): Promise<void> {
  if (owner === undefined) return
  signalProcess(owner, 'SIGTERM')
  await waitGone(owner, giveUpMs)
}

/**
 * Notes that a user wants the container to end. If the policy is about to restart it, the restart is given up; then this resolves once the
 * waiting monitor has ended.
 */
export async function forbidRestart(settings: Settings, record: ContainerRecord): Promise<StopWish> {
  const wish = wishStop(settings, record)
  if (record.restart === undefined) return wish
  try {
    await endRestarting(settings, record)
  } catch (error) {
    if (!(error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND')) {
      await wish.takeBack(error)
      throw error
    }
  }
  return wish
}

async function endRestarting({ stateDir }: Settings, { namespace, id }: ContainerRecord): Promise<void> {
  // A client in the foreground may start a monitor as it ends, so there may be two processes to end.
  for (let ended = 0; ended < 2; ended++) {
    const now = readRecord(stateDir, namespace, id)
    const { status } = await observe(now)
    const isPolicys = status === 'restarting' || (status === 'creating' && (now.restarts ?? 0) > 0)
    if (!isPolicys) return
    await endMonitor(now)
  }
}
