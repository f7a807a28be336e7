/** What the restart policy of a container asks of its monitor. */
import { mayBeAlive } from '../../../linux/processes/proc.ts'
import type { Settings } from '../../settings.ts'
import { type ContainerRecord, readRecord } from '../record.ts'
import { nextPause } from './restart-policy.ts'

/** Whether the container needs a monitor while it runs in the background. */
export function needsMonitor({ autoRemove, restart, health }: ContainerRecord): boolean {
  return autoRemove || health !== undefined || (restart?.name ?? 'no') !== 'no'
}

/**
 * What a container's record says besides when it has ended with `exitCode`: whether its monitor starts it again. It ran until `endedAt`,
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
  // One that was being started has not run.
  const ranMs = startedAt === undefined || was.status === 'creating' ? 0 : endedAt - Date.parse(startedAt)
  const pauseMs = nextPause({ policy, exitCode, ranMs, restarts, pauseMs: was.pauseMs ?? 0, stopWanted })
  // The command that ends it may not live to note that.
  if (pauseMs === undefined) return { restartsAt: undefined, ...(stopWanted && { stopWanted }) }
  return { pauseMs, restartsAt: new Date(Date.now() + pauseMs).toISOString() }
}

/** Whether the policy still starts the container again: it may have been taken back, and a person may have ended the container. */
export const isRestartWanted = (record: ContainerRecord): boolean =>
  !isStopWanted(record) && (record.restart?.name ?? 'no') !== 'no'

/** Whether a person has ended it, or a command is about to. */
export const isStopWanted = ({ stopWanted, stopWishes = [] }: ContainerRecord): boolean =>
  stopWanted === true || stopWishes.some(({ by }) => mayBeAlive(by))

/** Whether its monitor, which has not cleaned up yet, decides that. */
export const mayStartAgain = (record: ContainerRecord): boolean =>
  isRestartWanted(record) && record.owner !== undefined && mayBeAlive(record.owner)
