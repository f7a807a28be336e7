/** What `restart` notes before it ends a container, so that others can tell when it was killed before it started the container again. */
import { isThisProcess, mayBeAlive, ownProcess, type ProcessRef } from '../../../linux/processes/proc.ts'
import type { Settings } from '../../settings.ts'
import { type Changes, type ContainerRecord, updateRecord } from '../record.ts'
import type { LiveStatus } from '../status.ts'

/** A `restart` that is under way, or was killed. */
export interface RestartNote {
  readonly by: ProcessRef
  /** `startedAt` of the run that it ends: a later one makes the note void. */
  readonly run?: string | undefined
  /** When it began, in ISO form. A container that ignores SIGTERM may go on for long after a restart that was killed, and end for another reason. */
  readonly at?: string | undefined
}

/** Runs `work`, which ends the container and starts it again. What it throws a person is told, and no more needs to be noted. */
export async function whileRestarting(
  settings: Settings,
  record: ContainerRecord,
  work: () => Promise<void>,
): Promise<void> {
  const { namespace, id, startedAt: run } = record
  const update = (changes: Changes) => updateRecord(settings.stateDir, namespace, id, changes, record)
  update({ restarting: { by: ownProcess(), run, at: new Date().toISOString() } })
  try {
    await work()
  } finally {
    try {
      // Another restart may have begun meanwhile, and have a note of its own.
      update(({ restarting }) =>
        restarting !== undefined && isThisProcess(restarting.by) ? { restarting: undefined } : undefined,
      )
    } catch (error) {
      settings.log.warn('the end of a restart could not be noted', { id, error })
    }
  }
}

/** Whether the container has ended by a `restart` that was killed, and would run otherwise. */
export const isRestartCut = (
  { restarting, startedAt }: Pick<ContainerRecord, 'restarting' | 'startedAt'>,
  status: LiveStatus,
): boolean =>
  restarting !== undefined &&
  (status === 'stopped' || status === 'dead') &&
  restarting.run === startedAt &&
  !mayBeAlive(restarting.by)
