/**
 * What a killed process may still do: hand over its remaining output, and end. A slow reader gets time for as long as it reads. A
 * guest that keeps writing, or lets the process live, gets none.
 */

import type { HeldUp } from '../../sandbox/guest/health.ts'
import { realClock, sleep } from '../../time.ts'

export interface KillLimits {
  /** Longest time without progress of the output, and longest total wait for the guest's pieces, milliseconds. */
  readonly stallMs: number
  /** How long the guest may take to end the process, milliseconds; memory of many GiB takes seconds to be freed. */
  readonly endMs: number
}

export const killLimits: KillLimits = { stallMs: 10_000, endMs: 20_000 }
/** A guest that keeps its processors busy stands in line for them as well, if its cgroup has less: it must not live by that. */
const mostStarved = 2

export class AfterKill {
  readonly #limits: KillLimits
  readonly #heldUp: () => HeldUp
  readonly #mostLeft: number
  readonly #waited: () => number
  readonly #ending = Promise.withResolvers<void>()
  readonly #killed = Promise.withResolvers<void>()
  readonly #ended = new AbortController()
  #isEnding = false
  #lastOutput = 0
  #waitedMs = 0
  #left = 0

  /**
   * @param mostLeft bytes of output that may still come after a kill, from all streams.
   * @param waited how long the machine has waited in all for a processor that others had, milliseconds. Default never.
   */
  constructor(limits: KillLimits, heldUp: () => HeldUp, mostLeft: number, waited: () => number = () => 0) {
    this.#limits = limits
    this.#heldUp = heldUp
    this.#mostLeft = mostLeft
    this.#waited = waited
  }

  /** Call it when the container around the process is killed. That may leave the process alive: a pod may share its processes. */
  ending(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#lastOutput = realClock.now()
    this.#ending.resolve()
  }

  /** Call it when the process itself is sent SIGKILL, before the guest answers. */
  killed(): void {
    this.ending()
    this.#killed.resolve()
  }

  /** Call it when the process has ended: the wait for that would keep it, with all that it has, for as long as a guest may take. */
  ended(): void {
    this.#ended.abort()
  }

  /** Call it for each piece before it is delivered. The wait until now was for the guest, not for the reader. */
  received(): void {
    if (this.#isEnding) this.#waitedMs += realClock.now() - this.#lastOutput
  }

  delivered(bytes: number): void {
    this.#lastOutput = realClock.now()
    if (this.#isEnding) this.#left += bytes
  }

  /** Resolves when no more output is awaited; never before a kill. */
  async drained(isOver: () => boolean): Promise<void> {
    const { stallMs } = this.#limits
    await this.#ending.promise
    while (
      !isOver() &&
      Math.max(realClock.now() - this.#lastOutput, this.#waitedMs) < stallMs &&
      this.#left < this.#mostLeft
    )
      await sleep(Math.min(250, stallMs))
  }

  /**
   * Resolves with true when the guest has had its time to end the process, and with false once that has ended; never before SIGKILL was sent. The
   * time starts again for a machine that was held up on purpose, and {@link mostStarved} times for one that stood in line for half of it: by a
   * busy host processes are late, and killed for that.
   */
  async overdue(): Promise<boolean> {
    const { endMs } = this.#limits
    const { signal: ended } = this.#ended
    await this.#killed.promise
    for (let starved = 0; ; ) {
      const before = this.#heldUp()
      const waitedBefore = this.#waited()
      await sleep(endMs, ended).catch(() => {})
      if (ended.aborted) return false
      const wasStarved = this.#waited() - waitedBefore >= endMs / 2
      if (wasStarved && starved++ < mostStarved) continue
      if (!before.now && this.#heldUp().times === before.times) return true
    }
  }
}
