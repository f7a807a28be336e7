/** Decides whether and when a container restarts, by docker's policies and pauses (`docker run --restart`). */
import { needed, record } from '../../../json/compounds.ts'
import { choice, uint32 } from '../../../json/values.ts'

export const restartNames = ['no', 'on-failure', 'always', 'unless-stopped'] as const

export interface RestartPolicy {
  readonly name: (typeof restartNames)[number]
  /** Most restarts by `on-failure`; 0: no limit. */
  readonly most: number
}

export const readRestartPolicy = record<RestartPolicy>({
  name: needed(choice(...restartNames)),
  most: needed(uint32),
})

const [firstPauseMs, longestPauseMs] = [100, 60_000]
/** A run of this length counts as successful and resets the pauses. */
const goodRunMs = 10_000

/** The end of a container's run. */
export interface Ended {
  readonly policy: RestartPolicy | undefined
  readonly exitCode: number
  readonly ranMs: number
  /** Restarts since a user started the container. */
  readonly restarts: number
  /** Milliseconds before the last start; 0 if a user started it. */
  readonly pauseMs: number
  /** Whether a user has stopped or killed the container. */
  readonly stopWanted: boolean
}

/** Milliseconds until the restart; undefined if there is none. */
export function nextPause({
  policy,
  exitCode,
  ranMs,
  restarts,
  pauseMs,
  stopWanted,
}: Ended): number | undefined {
  if (stopWanted || !wants(policy, exitCode, restarts)) return undefined
  return longerPause(ranMs >= goodRunMs ? 0 : pauseMs)
}

/** The pause after one of `pauseMs` milliseconds; the first pause after 0. */
export const longerPause = (pauseMs: number): number =>
  pauseMs === 0 ? firstPauseMs : Math.min(pauseMs * 2, longestPauseMs)

/**
 * Milliseconds from `now` until the noted time of a restart. The clock may be set back meanwhile, for instance by a time server, so the result
 * is never longer than the longest pause.
 */
export function untilStart(restartsAt: string, now: number): number {
  return Math.min(Math.max(0, Date.parse(restartsAt) - now), longestPauseMs)
}

function wants(policy: RestartPolicy | undefined, exitCode: number, restarts: number): boolean {
  if (policy?.name === 'on-failure') return exitCode !== 0 && (policy.most === 0 || restarts < policy.most)
  return policy?.name === 'always' || policy?.name === 'unless-stopped'
}

/** Whether the container starts when the host has booted. As in docker, `always` starts it even if a user has stopped it. */
export function startsAtBoot(policy: RestartPolicy | undefined, stopWanted: boolean): boolean {
  return policy?.name === 'always' || (policy?.name === 'unless-stopped' && !stopWanted)
}
