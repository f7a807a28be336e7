/** Whether a container that has ended starts again, and when: docker's policies and pauses (`docker run --restart`). */
import { needed, record } from '../../../json/compounds.ts'
import { choice, uint32 } from '../../../json/values.ts'

export const restartNames = ['no', 'on-failure', 'always', 'unless-stopped'] as const

export interface RestartPolicy {
  readonly name: (typeof restartNames)[number]
  /** How often `on-failure` starts it again at most; 0: no bound. */
  readonly most: number
}

export const readRestartPolicy = record<RestartPolicy>({
  name: needed(choice(...restartNames)),
  most: needed(uint32),
})

const [firstPauseMs, longestPauseMs] = [100, 60_000]
/** A run of this length counts as successful and resets the pauses. */
const goodRunMs = 10_000

/** How a container has ended. */
export interface Ended {
  readonly policy: RestartPolicy | undefined
  readonly exitCode: number
  readonly ranMs: number
  /** How often it was started again since a person started it. */
  readonly restarts: number
  /** Milliseconds before the last start; 0: a person's. */
  readonly pauseMs: number
  /** A person has stopped or killed it. */
  readonly stopWanted: boolean
}

/** Milliseconds until it starts again; undefined when it does not. */
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

/** The pause after one of `pauseMs` milliseconds, or the first one after 0. */
export const longerPause = (pauseMs: number): number =>
  pauseMs === 0 ? firstPauseMs : Math.min(pauseMs * 2, longestPauseMs)

/**
 * Milliseconds from `now` to the time that was noted for a start. The clock may be set back meanwhile, as by the first answer of a time
 * server on a host whose own clock is wrong: nobody waits longer than the longest pause for that.
 */
export function untilStart(restartsAt: string, now: number): number {
  return Math.min(Math.max(0, Date.parse(restartsAt) - now), longestPauseMs)
}

function wants(policy: RestartPolicy | undefined, exitCode: number, restarts: number): boolean {
  if (policy?.name === 'on-failure') return exitCode !== 0 && (policy.most === 0 || restarts < policy.most)
  return policy?.name === 'always' || policy?.name === 'unless-stopped'
}

/** Whether it starts when the host has booted; `always` does so although a person has stopped it, as with docker. */
export function startsAtBoot(policy: RestartPolicy | undefined, stopWanted: boolean): boolean {
  return policy?.name === 'always' || (policy?.name === 'unless-stopped' && !stopWanted)
}
