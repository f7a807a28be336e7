/** Containers whose machine is saved. */
import { existsSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { checkpointFiles, unfinished } from '../../sandbox/checkpoint/checkpoint-facts.ts'
import type { Settings } from '../settings.ts'
import { writtenDisk } from './disk-root.ts'
import { type ContainerRecord, readRecord, recordPaths } from './record.ts'

/** The fields of a suspended container's record. It has not ended, so it has no exit code and no time of end. */
export const suspended = { status: 'suspended', exitCode: undefined, finishedAt: undefined } as const

/**
 * Whether the machine of the last run was saved. The command that suspended it may have been killed before it noted that. Times of files do not
 * tell, because a host's clock may be set back and forth.
 */
export function wasSaved(
  { stateDir }: Pick<Settings, 'stateDir'>,
  { namespace, id, startedAt, savedRun }: ContainerRecord,
): boolean {
  if (startedAt === undefined || savedRun !== startedAt) return false
  const { saved } = recordPaths(stateDir, namespace, id)
  return existsSync(`${saved}/${checkpointFiles.facts}`)
}

/**
 * {@link wasSaved} for the present record. Then the end of the machine is not the end of the container. False if the container was removed.
 * @throws KataError RECORD_UNREADABLE.
 */
export function isSavedNow(
  settings: Pick<Settings, 'stateDir'>,
  { namespace, id }: Pick<ContainerRecord, 'namespace' | 'id'>,
): boolean {
  try {
    return wasSaved(settings, readRecord(settings.stateDir, namespace, id))
  } catch (error) {
    if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return false
    throw error
  }
}

/**
 * Whether the container was left behind by a client that was killed, and can never run: nobody else has the saved machine that a fork or `run
 * --from` would continue, and a container needs a root file system.
 */
export function isHalfMade(
  { stateDir }: Pick<Settings, 'stateDir'>,
  { namespace, id, status, startedAt, disks, beginsSaved }: ContainerRecord,
): boolean {
  if (status !== 'creating' || startedAt !== undefined) return false
  if (beginsSaved === true) return true
  const { directory, saved } = recordPaths(stateDir, namespace, id)
  if (disks === undefined) return !existsSync(`${directory}/upper`)
  // Earlier versions did not note whether a container begins with a saved machine.
  return !existsSync(writtenDisk(directory)) || existsSync(saved)
}

/** Removes a saved machine that no command can continue, and returns whether there was one. The caller must hold the container's lock. */
export function removeWorthless(settings: Pick<Settings, 'stateDir'>, record: ContainerRecord): boolean {
  const { saved } = recordPaths(settings.stateDir, record.namespace, record.id)
  if (record.status === 'suspended' || wasSaved(settings, record)) return false
  const found = [saved, unfinished(saved)].filter((path) => existsSync(path))
  for (const path of found) rmSync(path, { recursive: true, force: true })
  return found.length > 0
}
