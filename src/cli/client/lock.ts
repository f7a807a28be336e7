/** One command at a time changes whether a container runs. */
import { KataError } from '../../errors.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import type { Settings } from '../settings.ts'
import { type ContainerRecord, readRecord, recordPaths } from './record.ts'

/**
 * Runs `work` with the record as it is then; another command that has the container in hand may take `patienceMs` milliseconds.
 *
 * @throws KataError CONTAINER_BUSY, CONTAINER_NOT_FOUND; what `work` throws.
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
