/** Lets only one command at a time change whether a container runs. */
import { KataError } from '../../errors.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import type { Settings } from '../settings.ts'
import { type ContainerRecord, readRecord, recordPaths } from './record.ts'

/**
 * Runs `work` with the record as it is under the lock. Waits at most `patienceMs` milliseconds for another command.
 *
 * @throws KataError CONTAINER_BUSY, CONTAINER_NOT_FOUND; errors of `work`.
 */
export async function underContainerLock(
  { stateDir }: Settings,
  { namespace, id: name }: Pick<ContainerRecord, 'namespace' | 'id'>,
  work: (record: ContainerRecord) => Promise<void>,
  patienceMs = 0,
): Promise<void> {
  const { directory } = recordPaths(stateDir, namespace, name)
  const outcome = await underDirectoryLock(directory, patienceMs, () =>
    work(readRecord(stateDir, namespace, name)),
  )
  if (outcome === 'busy') throw new KataError('CONTAINER_BUSY', { name })
  if (outcome === 'gone') throw new KataError('CONTAINER_NOT_FOUND', { name, namespace })
}
