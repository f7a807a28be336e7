/** Containers whose machine was saved. */
import { existsSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { checkpointFiles, unfinished } from '../../sandbox/checkpoint/checkpoint-facts.ts'
import type { Settings } from '../settings.ts'
import { writtenDisk } from './disk-root.ts'
import { type ContainerRecord, readRecord, recordPaths } from './record.ts'

/** What a suspended container has not: an end. */
export const suspended = { status: 'suspended', exitCode: undefined, finishedAt: undefined } as const

/**
 * Whether the machine of its last run was saved. The command that suspended it may have been killed before it noted that. Times of files say
 * nothing: the clock of a host is set back and forth.
 */
export function wasSaved(
  { stateDir }: Pick<Settings, 'stateDir'>,
  { namespace, id, startedAt, savedRun }: ContainerRecord,
): boolean {
  if (startedAt === undefined || savedRun !== startedAt) return false
  const { saved } = recordPaths(stateDir, namespace, id)
  return existsSync(`${saved}/${checkpointFiles.facts}`)
}

/** {@link wasSaved} by its record of now: the end of its machine is no end of the container. False once it is removed. @throws KataError RECORD_UNREADABLE. */
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
 * Whether it is what a client has left that was killed, and never ran: nobody has what a fork or `run --from` made go on, and what has no root
 * file system of its own yet cannot.
 */
export function isHalfMade(
  { stateDir }: Pick<Settings, 'stateDir'>,
  { namespace, id, status, startedAt, disks, beginsSaved }: ContainerRecord,
): boolean {
  if (status !== 'creating' || startedAt !== undefined) return false
  if (beginsSaved === true) return true
  const { directory, saved } = recordPaths(stateDir, namespace, id)
  if (disks === undefined) return !existsSync(`${directory}/upper`)
  // An earlier version noted nothing of what it begins with.
  return !existsSync(writtenDisk(directory)) || existsSync(saved)
}

/** Removes a saved machine that no command goes on with, for one who holds the container. Whether there was one. */
export function removeWorthless(settings: Pick<Settings, 'stateDir'>, record: ContainerRecord): boolean {
  const { saved } = recordPaths(settings.stateDir, record.namespace, record.id)
  if (record.status === 'suspended' || wasSaved(settings, record)) return false
  const found = [saved, unfinished(saved)].filter((path) => existsSync(path))
  for (const path of found) rmSync(path, { recursive: true, force: true })
  return found.length > 0
}
