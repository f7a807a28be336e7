/** What QEMU's events (qapi/run-state.json) say of a machine's end. */
import type { EndWatch } from '../../monitor/end-watch.ts'

export class EndEvents {
  readonly #watch: EndWatch
  #isAsking = false
  #isToAskAgain = false

  constructor(watch: EndWatch) {
    this.#watch = watch
  }

  /**
   * A guest that stops by itself may have hit an internal error, which only `queryStatus` tells; QEMU then lives on.
   */
  event(name: string, data: Readonly<Record<string, unknown>>, queryStatus: () => Promise<unknown>): void {
    const watch = this.#watch
    if (name === 'GUEST_PANICKED') watch.because('guest-panicked')
    if (name === 'SHUTDOWN' && watch.isOpen && data.guest === true) {
      watch.because('shutdown')
      watch.wasReset = data.reason === 'guest-reset'
    }
    if (name === 'STOP' && watch.isOpen) void this.#ask(queryStatus)
  }

  /** One question at a time, and one more for all that came meanwhile: a VMM that was taken over sends events without end. */
  async #ask(queryStatus: () => Promise<unknown>): Promise<void> {
    this.#isToAskAgain = this.#isAsking
    if (this.#isAsking) return
    this.#isAsking = true
    do {
      this.#isToAskAgain = false
      const answer = await queryStatus().catch(() => undefined)
      if ((answer as { status?: unknown } | undefined)?.status === 'internal-error')
        this.#watch.over('internal-error')
    } while (this.#isToAskAgain && this.#watch.isOpen)
    this.#isAsking = false
  }
}
