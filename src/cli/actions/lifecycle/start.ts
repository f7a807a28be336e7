import { KataError } from '../../../errors.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { endContainer } from '../../client/end.ts'
import { isExternal } from '../../client/external.ts'
import { endMonitor, ensureMonitor } from '../../client/life/monitor.ts'
import { ownerCleansUp } from '../../client/life/owner.ts'
import { type ContainerRecord, recordPaths } from '../../client/record.ts'
import { runAgain } from '../../client/run.ts'
import { type Observation, observe } from '../../client/status.ts'
import { suspended, wasSaved } from '../../client/suspended.ts'
import { TaskClient } from '../../client/task.ts'
import type { Settings } from '../../settings.ts'
import { findRecord, forEachName } from '../containers.ts'

export async function start(settings: Settings, names: readonly string[]): Promise<number> {
  return forEachName(settings, names, (name) => startOne(settings, name))
}

/** The patience of a start that nobody would try again, milliseconds: a machine that boots takes its time. */
export const turnMs = 30_000

/**
 * A container that runs is started already. Two commands that start the same one would take it from each other: another one that has it in hand
 * may take `patienceMs` milliseconds.
 */
export async function startOne(settings: Settings, name: string, patienceMs = 0): Promise<void> {
  const found = findRecord(settings, name)
  if (isExternal(found)) throw new KataError('CONTAINER_FOREIGN', { name, what: 'started' })
  const { directory } = recordPaths(settings.stateDir, found.namespace, found.id)
  const outcome = await underDirectoryLock(directory, patienceMs, async () => {
    const record = findRecord(settings, name)
    const seen = await observe(record)
    if (isStarted(seen)) return ensureMonitor(settings, record)
    await release(settings, record, seen)
    const ended = findRecord(settings, name)
    // Its policy is about to start it, which needs the lock.
    if (isStarted(await observe(ended))) return
    // Its memory would be lost.
    if (ended.status === 'suspended')
      throw new KataError('CONTAINER_NOT_ENDED', { name: ended.id, status: ended.status })
    const changes = { restarts: 0, pauseMs: 0, stopWanted: false }
    await runAgain(settings, ended, { isMonitor: false, changes })
  })
  if (outcome === 'busy') throw new KataError('CONTAINER_BUSY', { name })
  if (outcome === 'gone') throw new KataError('CONTAINER_NOT_FOUND', { name, namespace: settings.namespace })
}

const isStarted = ({ status }: Observation): boolean => ['running', 'paused', 'restarting'].includes(status)

/**
 * What is left of the run before. A shim that died, or a host that went down, has ended the container, too; one whose machine was saved is
 * suspended from then on.
 */
export async function release(settings: Settings, record: ContainerRecord, seen: Observation): Promise<void> {
  if (record.status === 'created') return
  const hasEnded = seen.status === 'stopped' || seen.status === 'dead' || isNobodys(record, seen)
  if (!hasEnded || record.autoRemove)
    throw new KataError('CONTAINER_NOT_ENDED', { name: record.id, status: seen.status })
  // It may be trying to clean up again and again, and needs the lock that we hold.
  if (seen.status === 'dead' && record.detached && record.restart !== undefined) await endMonitor(record)
  if (!seen.held || (await ownerCleansUp(settings, record))) return
  const task = seen.status === 'stopped' ? await connectToShim(record) : undefined
  const note = wasSaved(settings, record) ? () => suspended : undefined
  await endContainer(settings, record, { exitCode: seen.exitCode, task, note })
}

/** Its client was killed between its creation and its start. */
const isNobodys = ({ owner }: ContainerRecord, { status, held }: Observation): boolean =>
  status === 'created' && held && !(owner !== undefined && isAlive(owner))

/**
 * A machine that is asked to end writes back what the container wrote; one that is only killed loses it. Undefined when the shim has gone
 * since it was asked.
 */
async function connectToShim({ address, namespace, id }: ContainerRecord): Promise<TaskClient | undefined> {
  if (address === undefined) return undefined
  return TaskClient.connect(address, namespace, id).catch(() => undefined)
}
