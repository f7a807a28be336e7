/** Health checks and their results, by docker's rules (Dockerfile's HEALTHCHECK). Pure. */

import { list, needed, record } from '../../../json/compounds.ts'
import { choice, number, text, textUpTo } from '../../../json/values.ts'
import { plainLines } from '../../../plain-text.ts'

export interface HealthCheck {
  /** The command and its arguments. */
  readonly command: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Time after the start during which failures do not count, unless a check has passed. */
  readonly startPeriodMs: number
  /** The interval during the start period. */
  readonly startIntervalMs: number
  /** Failures in a row that make the container unhealthy. */
  readonly retries: number
}

export const readHealthCheck = record<HealthCheck>({
  command: needed(list(text)),
  intervalMs: needed(number),
  timeoutMs: needed(number),
  startPeriodMs: needed(number),
  startIntervalMs: needed(number),
  retries: needed(number),
})

export interface ProbeResult {
  /** ISO 8601. */
  readonly start: string
  readonly end: string
  /** 0: healthy; -1: the check timed out, or could not run. */
  readonly exitCode: number
  /** The beginning of the check's output. */
  readonly output: string
}

export interface Health {
  readonly status: 'starting' | 'healthy' | 'unhealthy'
  /** Failures since the last check that passed. */
  readonly failingStreak: number
  /** The last results, the newest at the end. */
  readonly log: readonly ProbeResult[]
}

/** Bytes of a check's output that are kept. */
export const mostOutput = 4096
const mostResults = 5
/** Bytes of a result's text: the output, and sentences of ours around it. */
const mostText = 4 * mostOutput

export const readHealth = record<Health>({
  status: needed(choice('starting', 'healthy', 'unhealthy')),
  failingStreak: needed(number),
  log: needed(
    list(
      record<ProbeResult>({
        start: needed(text),
        end: needed(text),
        exitCode: needed(number),
        output: needed(textUpTo(mostText)),
      }),
    ),
  ),
})

/** Shortens a guest's text for results. They go to terminals, so control characters other than those of lines are replaced. */
export function resultText(text: string): string {
  // One UTF-16 unit takes at most three bytes in UTF-8.
  return plainLines(text.slice(0, mostText / 4))
}

export const startingHealth: Health = { status: 'starting', failingStreak: 0, log: [] }

/** `sinceStartMs`: how long the container had run when the check began. */
export function afterProbe(
  { status, failingStreak, log }: Health,
  { startPeriodMs, retries }: HealthCheck,
  result: ProbeResult,
  sinceStartMs: number,
): Health {
  const kept = [...log, result].slice(-mostResults)
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log: kept }
  if (status === 'starting' && sinceStartMs < startPeriodMs) return { status, failingStreak, log: kept }
  const failing = failingStreak + 1
  return { status: failing >= retries ? 'unhealthy' : status, failingStreak: failing, log: kept }
}

/** Milliseconds until the next check. */
export function untilNextProbe({ status }: Health, check: HealthCheck, sinceStartMs: number): number {
  const isStarting = status === 'starting' && sinceStartMs < check.startPeriodMs
  return isStarting ? Math.min(check.startIntervalMs, check.intervalMs) : check.intervalMs
}
