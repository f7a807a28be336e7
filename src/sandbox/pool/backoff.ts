/** Exponential backoff: the pause doubles with each failure in a row, up to a bound. */
import type { Clock } from '../../time.ts'

export interface BackoffBounds {
  /** The pause after the first failure, milliseconds. */
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

  /** Failures in a row. */
  get failures(): number {
    return this.#failures
  }

  get isDue(): boolean {
    return this.#clock.now() >= this.#notBefore
  }

  worked(): void {
    this.#failures = 0
  }

  /** Notes a failure. Returns the length of the pause, milliseconds. */
  failed(): number {
    const { firstMs, longestMs } = this.#bounds
    const pauseMs = Math.min(firstMs * 2 ** this.#failures, longestMs)
    this.#failures++
    this.pause(pauseMs)
    return pauseMs
  }

  /** Nothing is due for this long, milliseconds, whether or not there was a failure. */
  pause(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.#clock.now() + ms)
  }
}
