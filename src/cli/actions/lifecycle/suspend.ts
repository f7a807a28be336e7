import { existsSync, rmSync } from 'node:fs'
import { KataError } from '../../../errors.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { endContainer } from '../../client/end.ts'
import { noteEvent } from '../../client/events.ts'
import { isExternal } from '../../client/external.ts'
import { underContainerLock } from '../../client/lock.ts'
import { type ContainerRecord, recordPaths, updateRecord } from '../../client/record.ts'
import { runAgain } from '../../client/run.ts'
import { observe } from '../../client/status.ts'
import { suspended, wasSaved } from '../../client/suspended.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord, forEachName } from '../containers.ts'
import { release } from './start.ts'

export function suspend(settings: Settings, names: readonly string[]): Promise<number> {
  return forEachName(settings, names, (name) =>
    underContainerLock(settings, ownRecord(settings, name, 'suspended'), (record) =>
      suspendOne(settings, record),
    ),
  )
}

export function resume(settings: Settings, names: readonly string[]): Promise<number> {
  return forEachName(settings, names, (name) =>
    underContainerLock(settings, ownRecord(settings, name, 'resumed'), (record) =>
      resumeOne(settings, record),
    ),
  )
}

/** @throws KataError CONTAINER_NOT_FOUND, CONTAINER_FOREIGN. */
export function ownRecord(settings: Settings, name: string, what: string): ContainerRecord {
  const record = findRecord(settings, name)
  if (isExternal(record)) throw new KataError('CONTAINER_FOREIGN', { name, what })
  return record
}

async function suspendOne(settings: Settings, record: ContainerRecord): Promise<void> {
  const { stateDir } = settings
  const { namespace, id, owner, startedAt } = record
  const { saved } = recordPaths(stateDir, namespace, id)
  if (owner !== undefined && isAlive(owner))
    throw new KataError('CHECKPOINT_REFUSED', {
      id,
      reason: 'a process waits for its end, as with --rm, --restart, a health check or a terminal',
    })
  const task = await connectRunning(record, ['running'])
  try {
    rmSync(saved, { recursive: true, force: true })
    // First: this process may not live to hear that it is saved.
    updateRecord(stateDir, namespace, id, { savedRun: startedAt })
    await task.checkpoint(saved, { exit: true })
    noteEvent(settings, record, 'suspend')
    await endContainer(settings, record, { task, remove: false, note: () => suspended })
  } finally {
    task.close()
  }
}

async function resumeOne(settings: Settings, record: ContainerRecord): Promise<void> {
  const { stateDir } = settings
  const { namespace, id } = record
  const { saved } = recordPaths(stateDir, namespace, id)
  const seen = await observe(record)
  // What was saved before the container ran on is worth nothing, and its disk is not as it was.
  const isSaved = seen.status === 'suspended' ? existsSync(saved) : wasSaved(settings, record)
  if (!isSaved) throw new KataError('CONTAINER_NOT_SUSPENDED', { name: id, status: seen.status })
  // The process that suspended it did not live to note that.
  if (seen.status !== 'suspended') await release(settings, record, seen)
  try {
    await runAgain(settings, findRecord(settings, id), { isMonitor: false, changes: {}, checkpoint: saved })
  } catch (error) {
    // It may have been removed meanwhile, and the name be another's.
    if (existsSync(saved)) updateRecord(stateDir, namespace, id, suspended)
    throw error
  }
  rmSync(saved, { recursive: true, force: true })
}
