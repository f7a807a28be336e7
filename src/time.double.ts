/** A clock for tests: time passes when the test says so. */
import type { Clock } from './time.ts'

export class FakeClock implements Clock {
  #now = 0
  #sleepers: { until: number; wake: () => void }[] = []

  now(): number {
    return this.#now
  }

  /** How many sleep now. */
  get sleepers(): number {
    return this.#sleepers.length
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper = { until: this.#now + ms, wake: resolve }
      this.#sleepers.push(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(signal.reason)
      })
    })
  }

  /** Lets `ms` milliseconds pass, and what waited for them run. */
  async pass(ms: number): Promise<void> {
    this.#now += ms
    const due = this.#sleepers.filter(({ until }) => until <= this.#now)
    this.#sleepers = this.#sleepers.filter(({ until }) => until > this.#now)
    for (const { wake } of due) wake()
    await settled()
  }
}

/** Everything that waits for nothing but promises has run. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Until it is disposed of, each look at a clock of this process finds it a day later: all patience is over at the second. */
export function clocksThatRush(): Disposable {
  const clocks = [performance, Date].map((clock) => ({ clock, now: clock.now }))
  const dayMs = 86_400_000
  for (const { clock, now } of clocks) {
    let days = 0
    clock.now = () => now.call(clock) + ++days * dayMs
  }
  return {
    [Symbol.dispose]() {
      for (const { clock, now } of clocks) clock.now = now
    },
  }
}
