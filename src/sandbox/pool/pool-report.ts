/** Says what a pool is at: to `kata-ts factory status` when that changes, and in the log when the host holds it back for long. */
import { isEqual } from '../../json/is-equal.ts'
import type { Logger } from '../../log.ts'
import type { Clock } from '../../time.ts'
import type { PoolState } from './pool-server.ts'

/** The load of a host comes and goes; so long a wait is worth a line, milliseconds. */
export const heldBackMs = 30_000

export interface PoolReportOptions {
  readonly log: Logger
  readonly clock: Pick<Clock, 'now'>
  /** Is told each change. */
  readonly tell: (state: PoolState) => void
}

export class PoolReport {
  readonly #options: PoolReportOptions
  #last: PoolState | undefined
  /** Since when it is held back. */
  #since: number | undefined
  #isLogged = false

  constructor(options: PoolReportOptions) {
    this.#options = options
  }

  /** To be called at each look. `held` machines wait or are being made, of `number`. */
  note(state: PoolState, { held, number }: { readonly held: number; readonly number: number }): void {
    const { log, clock, tell } = this.#options
    if (!isEqual(state, this.#last)) tell(state)
    this.#last = state
    if (state.doing === 'held back') {
      this.#since ??= clock.now()
      if (this.#isLogged || clock.now() - this.#since < heldBackMs) return
      this.#isLogged = true
      log.warn('the host can spare nothing for more waiting machines', { held, number, reason: state.reason })
      return
    }
    if (this.#isLogged) log.info('the host can spare room for waiting machines again', { held, number })
    this.#since = undefined
    this.#isLogged = false
  }
}
