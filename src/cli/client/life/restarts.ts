/** Applies the restart policy of a container to its record. */
import { mayBeAlive } from '../../../linux/processes/proc.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord } from '../record.ts'
import { nextPause } from './restart-policy.ts'

/** Whether the container needs a monitor while it runs in the background. */
export function needsMonitor({ autoRemove, restart, health }: ContainerRecord): boolean {
  return autoRemove || health !== undefined || (restart?.name ?? 'no') !== 'no'
}

/**
 * Further changes of the record when the container has ended with `exitCode`: whether the monitor restarts it. `endedAt` is the end of the run,
 * milliseconds since 1970.
 */
export function afterEnd(
  settings: Settings,
  { namespace, id }: ContainerRecord,
  exitCode: number,
  endedAt = Date.now(),
) {
  const was = readRecord(settings.stateDir, namespace, id)
  const { restart: policy, startedAt, restarts = 0 } = was
  const stopWanted = isStopWanted(was)
  // A container that was still being started has not run.
  const ranMs = startedAt === undefined || was.status === 'creating' ? 0 : endedAt - Date.parse(startedAt)
  const pauseMs = nextPause({ policy, exitCode, ranMs, restarts, pauseMs: was.pauseMs ?? 0, stopWanted })
  // The command that stopped the container may die before it notes that.
  if (pauseMs === undefined) return { restartsAt: undefined, ...(stopWanted && { stopWanted }) }
  return { pauseMs, restartsAt: new Date(Date.now() + pauseMs).toISOString() }
}

/** Whether the policy still wants a restart. It may have been taken back, and a user may have ended the container. */
export const isRestartWanted = (record: ContainerRecord): boolean =>
  !isStopWanted(record) && (record.restart?.name ?? 'no') !== 'no'

/** Whether a user has ended the container, or a command is about to. */
export const isStopWanted = ({ stopWanted, stopWishes = [] }: ContainerRecord): boolean =>
  stopWanted === true || stopWishes.some(({ by }) => mayBeAlive(by))

/** Whether the monitor may still restart the container once it has cleaned up. */
export const mayStartAgain = (record: ContainerRecord): boolean =>
  isRestartWanted(record) && record.owner !== undefined && mayBeAlive(record.owner)
