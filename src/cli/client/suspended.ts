/** Containers whose machine was saved. */
import { statSync } from 'node:fs'
import { checkpointFiles } from '../../sandbox/checkpoint/checkpoint-facts.ts'
import type { Settings } from '../settings.ts'
import { type ContainerRecord, recordPaths } from './record.ts'

/** What a suspended container has not: an end. */
export const suspended = { status: 'suspended', exitCode: undefined, finishedAt: undefined } as const

/** Whether the machine was saved after its last start. The command that suspended it may have been killed before it noted that. */
export function wasSaved(
  { stateDir }: Pick<Settings, 'stateDir'>,
  { namespace, id, startedAt }: ContainerRecord,
): boolean {
  if (startedAt === undefined) return false
  const { saved } = recordPaths(stateDir, namespace, id)
  const facts = statSync(`${saved}/${checkpointFiles.facts}`, { throwIfNoEntry: false })
  return facts !== undefined && facts.mtimeMs > Date.parse(startedAt)
}
