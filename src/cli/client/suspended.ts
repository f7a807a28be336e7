/** Containers whose machine was saved. */
import { existsSync } from 'node:fs'
import { checkpointFiles } from '../../sandbox/checkpoint/checkpoint-facts.ts'
import type { Settings } from '../settings.ts'
import { type ContainerRecord, recordPaths } from './record.ts'

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
