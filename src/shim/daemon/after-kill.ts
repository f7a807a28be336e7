/**
 * What a process may still do once it was killed: hand over what it wrote before, and end. A slow reader is waited for while
 * it reads; a guest that goes on writing, or lets the process live, is not.
 */

import type { HeldUp } from '../../sandbox/guest/health.ts'
import { sleep } from '../../time.ts'

export interface KillLimits {
  /** How long the output may make no progress, and how long in all the guest may be waited for piece by piece, milliseconds. */
  readonly stallMs: number
  /** How long the guest may take to end the process, milliseconds; memory of many GiB takes seconds to be freed. */
  readonly endMs: number
}

export const killLimits: KillLimits = { stallMs: 10_000, endMs: 20_000 }
/** What may still come from one process, bytes. A pipe holds 1 MiB at most. */
const mostLeft = 4 * 1024 * 1024

export class AfterKill {
  readonly #limits: KillLimits
  readonly #heldUp: () => HeldUp
  readonly #ending = Promise.withResolvers<void>()
  readonly #killed = Promise.withResolvers<void>()
  #isEnding = false
  #lastOutput = 0
  #waitedMs = 0
  #left = 0

  constructor(limits: KillLimits, heldUp: () => HeldUp) {
    this.#limits = limits
    this.#heldUp = heldUp
  }

  /** To be told when the container around the process is killed, which need not end it: a pod may share its processes. */
  ending(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#lastOutput = Date.now()
    this.#ending.resolve()
  }

  /** To be told when the process itself is sent SIGKILL, before the guest has a say. */
  killed(): void {
    this.ending()
    this.#killed.resolve()
  }

  /** To be told of each piece before it is delivered: until now the guest was waited for, and not the reader. */
  received(): void {
    if (this.#isEnding) this.#waitedMs += Date.now() - this.#lastOutput
  }

  delivered(bytes: number): void {
    this.#lastOutput = Date.now()
    if (this.#isEnding) this.#left += bytes
  }

  /** Resolves when no more output is to be waited for, never while nothing was killed. */
  async drained(isOver: () => boolean): Promise<void> {
    const { stallMs } = this.#limits
    await this.#ending.promise
    while (
      !isOver() &&
      Math.max(Date.now() - this.#lastOutput, this.#waitedMs) < stallMs &&
      this.#left < mostLeft
    )
      await sleep(Math.min(250, stallMs))
  }

  /**
   * Resolves when the guest has had its time to end the process; never while it was not sent SIGKILL. A machine that was
   * held up on purpose gets the time anew.
   */
  async overdue(): Promise<void> {
    await this.#killed.promise
    for (;;) {
      const before = this.#heldUp()
      await sleep(this.#limits.endMs)
      if (!before.now && this.#heldUp().times === before.times) return
    }
  }
}
