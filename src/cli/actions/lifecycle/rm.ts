import { KataError } from '../../../errors.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { SIGKILL } from '../../../linux/processes/signal.ts'
import { endContainer, endMaking } from '../../client/end.ts'
import { isExternal } from '../../client/external.ts'
import { forbidRestart } from '../../client/life/monitor.ts'
import { ownerCleansUp } from '../../client/life/owner.ts'
import { mayStartAgain } from '../../client/life/restarts.ts'
import { type ContainerRecord, readRecord, recordPaths, removeRecord } from '../../client/record.ts'
import { type LiveStatus, type Observation, observe } from '../../client/status.ts'
import { isNotFound, TaskClient } from '../../client/task.ts'
import type { Settings } from '../../settings.ts'
import { findRecord, forEachName } from '../containers.ts'

/** How long another command that has the container in hand is waited for, milliseconds, where it is to go in any case. */
const turnMs = 10_000

export async function rm(
  settings: Settings,
  { force }: { force: boolean },
  names: readonly string[],
): Promise<number> {
  return forEachName(settings, names, (name) => removeOne(settings, name, force), { mayBeMissing: force })
}

async function removeOne(settings: Settings, name: string, force: boolean): Promise<void> {
  const { namespace } = settings
  const record = force ? recordOrNone(settings, name) : findRecord(settings, name)
  // Without the record, the bundle and the ledger still say which shim serves the container and what it holds.
  if (record === undefined)
    return endContainer(settings, { namespace, id: name, autoRemove: true }, { remove: true })
  if (isExternal(record)) throw new KataError('CONTAINER_FOREIGN', { name, what: 'removed' })
  if (force) return removeForced(settings, record)
  const seen = await observe(record)
  if (seen.status === 'restarting' || (seen.held && !hasEnded(seen)))
    throw new KataError('CONTAINER_RUNNING', { name, status: seen.status })
  await removeEnded(settings, record, force)
}

const hasEnded = ({ status }: Observation): boolean => status === 'stopped' || status === 'dead'

async function removeForced(settings: Settings, found: ContainerRecord): Promise<void> {
  const { id } = found
  const wish = await forbidRestart(settings, found)
  try {
    await endMaking(settings, findRecord(settings, id))
    const record = recordIfThere(settings, id)
    if (record === undefined) return
    const seen = await observe(record)
    if (seen.status === 'restarting')
      throw new KataError('CONTAINER_RUNNING', { name: id, status: seen.status })
    if (seen.held) await endAndRemove(settings, record, { force: true, onKilled: () => wish.fulfil() })
    else await removeEnded(settings, record, true)
  } catch (error) {
    await wish.takeBack(error)
    throw error
  }
}

/** The client that was making it has removed it. */
function recordIfThere(settings: Settings, name: string): ContainerRecord | undefined {
  try {
    return findRecord(settings, name)
  } catch (error) {
    if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return undefined
    throw error
  }
}

/** @throws KataError CONTAINER_RUNNING: its restart policy is about to start it, and it is not removed by force. */
async function endAndRemove(
  settings: Settings,
  record: ContainerRecord,
  { force, onKilled }: { readonly force: boolean; readonly onKilled?: () => void },
): Promise<void> {
  const { stateDir } = settings
  const { namespace, id: name } = record
  const task = await connectAndKill(record)
  // One whose shim does not answer is killed with that.
  onKilled?.()
  if (task !== undefined && (await ownerCleansUp(settings, record))) {
    task.close()
    const now = force ? undefined : recordIfThere(settings, name)
    const status = now && (await observe(now)).status
    if (status === 'restarting') throw new KataError('CONTAINER_RUNNING', { name, status })
    return removeRecord(stateDir, namespace, name)
  }
  if (!force && mayStartAgain(record))
    throw new KataError('CONTAINER_RUNNING', { name, status: 'restarting' })
  await endContainer(settings, record, { task, remove: true })
}

/**
 * Removes a container that does not run. Another command may be about to start it, or to have its machine go on: that would be left without a
 * record, and so without anybody who ends it, or be ended although nobody asked for that.
 *
 * @throws KataError CONTAINER_BUSY, CONTAINER_RUNNING.
 */
async function removeEnded(
  settings: Settings,
  { namespace, id: name }: ContainerRecord,
  force: boolean,
): Promise<void> {
  const { stateDir } = settings
  const { directory } = recordPaths(stateDir, namespace, name)
  let started: LiveStatus | undefined
  const outcome = await underDirectoryLock(directory, force ? turnMs : 0, async () => {
    const record = readRecord(stateDir, namespace, name)
    const seen = await observe(record)
    // Its monitor is about to say that it has ended, and to start it again.
    if (!force && seen.status === 'dead' && mayStartAgain(record)) started = 'restarting'
    else if (seen.held && hasEnded(seen)) await endAndRemove(settings, record, { force })
    else if (seen.held || seen.status === 'restarting') started = seen.status
    else await removeRecord(stateDir, namespace, name)
  })
  if (outcome === 'busy') throw new KataError('CONTAINER_BUSY', { name })
  if (started === undefined) return
  if (!force) throw new KataError('CONTAINER_RUNNING', { name, status: started })
  await removeOne(settings, name, force)
}

/** Undefined when there is a record that cannot be read. */
function recordOrNone(settings: Settings, name: string): ContainerRecord | undefined {
  try {
    return findRecord(settings, name)
  } catch (error) {
    if (error instanceof KataError && error.code === 'RECORD_UNREADABLE') return undefined
    throw error
  }
}

/** The shim's task, killed; undefined when the shim is gone or does not answer. */
async function connectAndKill(record: ContainerRecord): Promise<TaskClient | undefined> {
  if (record.address === undefined) return undefined
  let task: TaskClient | undefined
  try {
    task = await TaskClient.connect(record.address, record.namespace, record.id)
    await task.kill(SIGKILL).catch((error) => {
      if (!isNotFound(error)) throw error
    })
    return task
  } catch {
    task?.close()
    return undefined
  }
}
