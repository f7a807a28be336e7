/** Waits for single events of QEMU: begin to wait before the command that causes the event. */
import { within } from '../../../time.ts'
import type { QmpEvent } from './qmp.ts'

interface Wait {
  readonly matches: (event: QmpEvent) => boolean
  readonly resolve: (event: QmpEvent) => void
}

export class EventWaits {
  readonly #waits = new Set<Wait>()

  /** Hands an event to all who wait for it. */
  event(event: QmpEvent): void {
    for (const { matches, resolve } of this.#waits) if (matches(event)) resolve(event)
  }

  /** The next event that `matches`, or undefined when none came within `timeoutMs`. */
  async next(matches: (event: QmpEvent) => boolean, timeoutMs: number): Promise<QmpEvent | undefined> {
    const { promise, resolve } = Promise.withResolvers<QmpEvent>()
    const wait = { matches, resolve }
    this.#waits.add(wait)
    try {
      return await within(promise, timeoutMs)
    } finally {
      this.#waits.delete(wait)
    }
  }
}
