/** Notices a guest that has fallen silent although its machine still runs. Interval and patience are Kata's. */
import type { AgentConnection } from '../../agent/connection.ts'
import { sleep } from '../../time.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import type { MachineEnd } from '../end/machine-end.ts'

/** How often the machine was held up on purpose, and whether it is now. Silence meanwhile does not count. */
export interface HeldUp {
  readonly times: number
  readonly now: boolean
}

export const neverHeldUp = (): HeldUp => ({ times: 0, now: false })

export interface HealthOptions {
  /** Milliseconds between two questions. */
  readonly intervalMs?: number
  /** Asks the guest; rejects with `deadline_exceeded` when no answer comes in time. */
  readonly check: () => Promise<unknown>
  /** Default never. */
  readonly heldUp?: () => HeldUp
  /** How long the machine has waited in all for a processor that others had, milliseconds. Default never. */
  readonly waited?: () => number
  /** Hears of an answer that was late by that. */
  readonly onStarved?: () => void
  /** Hears of each answer in time. */
  readonly onAnswered?: () => void
  /** Ends the watch. */
  readonly signal: AbortSignal
}

/** How long an answer may take, milliseconds: a guest under load is slow, not dead. */
const patienceMs = 30_000
/** A machine that stood in line for so much of that is not silent: it was not asked. Others are to blame, and its end would not help them. */
const starvedMs = patienceMs / 2

/** The reason for the end of a guest that stayed silent for so long. */
const silence = `its guest has not answered for ${patienceMs / 1000} s`

/** Tells `end` once the guest has fallen silent. */
export function tellSilence(
  { health }: Pick<AgentConnection, 'health'>,
  end: Pick<MachineEnd, 'tell' | 'waited'>,
  options: Omit<HealthOptions, 'check' | 'waited'>,
): void {
  const check = () => health.check({}, { timeoutMs: patienceMs })
  const waited = () => end.waited()
  void guestSilent({ ...options, check, waited }).then(() => end.tell('silent', silence))
}

/** A lost connection fails a call without a status, or with a status that did not come from the guest. */
const isLost = (failure: unknown): boolean =>
  !(failure instanceof TtrpcError) || (failure.code === 'unavailable' && !failure.isAnswer)

/**
 * Resolves when a question is not answered in time by a guest that could have. An error is an answer, and so is one that cannot be decoded. Never settles
 * after the end of the connection, which other code reports with more detail, or once `signal` fires.
 */
export async function guestSilent(options: HealthOptions): Promise<void> {
  const {
    intervalMs = 5000,
    check,
    signal,
    heldUp = neverHeldUp,
    waited = () => 0,
    onStarved,
    onAnswered,
  } = options
  while (!signal.aborted) {
    await sleep(intervalMs, signal).catch(() => {})
    if (signal.aborted) break
    const before = heldUp()
    const waitedBefore = waited()
    const failure = await check().then(
      () => undefined,
      (error) => error,
    )
    if (failure === undefined) {
      onAnswered?.()
      continue
    }
    if (isLost(failure) || signal.aborted) break
    if (failure.isAnswer || failure.code !== 'deadline_exceeded') continue
    const { times } = heldUp()
    if (before.now || times !== before.times) continue
    if (waited() - waitedBefore < starvedMs) return
    onStarved?.()
  }
  return new Promise(() => {})
}
