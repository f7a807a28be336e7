/**
 * The owner of a container's record: the process that waits for the container and cleans up after it. It is the client in the foreground, or the
 * monitor.
 */
import { KataError } from '../../../errors.ts'
import { isAlive } from '../../../linux/processes/proc.ts'
import { until } from '../../../time.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord } from '../record.ts'
import { isRestartWanted } from './restarts.ts'

/** Most time for the owner to clean up once the container has ended. */
const ownerTimeoutMs = 30_000

/**
 * Waits until the owner of a container that has ended has cleaned up, because two clean-ups would disturb each other. False if there is no
 * owner, or it makes no progress.
 */
export async function ownerCleansUp(settings: Settings, record: ContainerRecord): Promise<boolean> {
  const { owner } = record
  if (owner === undefined) return false
  // Normally the owner ends after its clean-up, whose last step is the removal of the container's files. An owner that restarts the container
  // lives on, and may need the lock that the caller holds.
  const isDone = () => !isAlive(owner) || startsAgain(settings, record)
  await until(isDone, { timeoutMs: ownerTimeoutMs, everyMs: 20 })
  return isReleased(settings, record)
}

/** Whether the owner has cleaned up, and is about to restart the container by its policy. */
function startsAgain({ stateDir }: Settings, { namespace, id }: ContainerRecord): boolean {
  try {
    const now = readRecord(stateDir, namespace, id)
    return now.status === 'stopped' && now.restartsAt !== undefined && isRestartWanted(now)
  } catch (error) {
    if (error instanceof KataError) return false
    throw error
  }
}

/** Whether nothing of the container is left except its record, if even that. */
function isReleased({ stateDir }: Settings, { namespace, id }: ContainerRecord): boolean {
  try {
    return readRecord(stateDir, namespace, id).status === 'stopped'
  } catch (error) {
    if (!(error instanceof KataError)) throw error
    // A directory without a record is being removed.
    return error.code === 'CONTAINER_NOT_FOUND'
  }
}
