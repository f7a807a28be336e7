/** The owner of a container's record: the process that waits for the container and cleans up after it, its client in the foreground or its monitor. */
import { KataError } from '../../../errors.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { until } from '../../../time.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord } from '../record.ts'
import { isRestartWanted } from './restarts.ts'

/** How long the owner may take to clean up once the container has ended. */
const ownerTimeoutMs = 30_000

/**
 * Whether the owner of a container that has ended has cleaned up after it. Two clean-ups at once would disturb each other. False when there is
 * no owner, or it makes no progress.
 */
export async function ownerCleansUp(settings: Settings, record: ContainerRecord): Promise<boolean> {
  const { owner } = record
  if (owner === undefined) return false
  // Cleaning up is the last that an owner does, what the container wrote at its very end. One that starts the container again goes on, and may
  // need the lock that the caller holds.
  const isDone = () => !isAlive(owner) || startsAgain(settings, record)
  await until(isDone, { timeoutMs: ownerTimeoutMs, everyMs: 20 })
  return isReleased(settings, record)
}

/** Whether its owner has cleaned up, and is about to start it by its restart policy. */
function startsAgain({ stateDir }: Settings, { namespace, id }: ContainerRecord): boolean {
  try {
    const now = readRecord(stateDir, namespace, id)
    return now.status === 'stopped' && now.restartsAt !== undefined && isRestartWanted(now)
  } catch (error) {
    if (error instanceof KataError) return false
    throw error
  }
}

/** Whether nothing but the record is left of a container, or not even that. */
function isReleased({ stateDir }: Settings, { namespace, id }: ContainerRecord): boolean {
  try {
    return readRecord(stateDir, namespace, id).status === 'stopped'
  } catch (error) {
    if (!(error instanceof KataError)) throw error
    // A directory without a record is being removed.
    return error.code === 'CONTAINER_NOT_FOUND'
  }
}
