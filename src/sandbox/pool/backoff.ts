/** When something is tried again: after each failure in a row the pause is twice as long, up to a bound. */
import type { Clock } from '../../time.ts'

export interface BackoffBounds {
  /** After the first failure, milliseconds. */
  readonly firstMs: number
  readonly longestMs: number
}

export class Backoff {
  readonly #clock: Pick<Clock, 'now'>
  readonly #bounds: BackoffBounds
  #failures = 0
  #notBefore = 0

  constructor(clock: Pick<Clock, 'now'>, bounds: BackoffBounds) {
    this.#clock = clock
    this.#bounds = bounds
  }

  /** In a row. */
  get failures(): number {
    return this.#failures
  }

  get isDue(): boolean {
    return this.#clock.now() >= this.#notBefore
  }

  worked(): void {
    this.#failures = 0
  }

  /** Returns how long the pause is, milliseconds. */
  failed(): number {
    const { firstMs, longestMs } = this.#bounds
    const pauseMs = Math.min(firstMs * 2 ** this.#failures, longestMs)
    this.#failures++
    this.pause(pauseMs)
    return pauseMs
  }

  /** Not before so many milliseconds, whatever comes of it. */
  pause(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.#clock.now() + ms)
  }
}
