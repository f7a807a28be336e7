/** How often each thing that a kubelet does was done, how long it took, and how often it failed. */
import { type Summary, summarize } from '../stats.ts'

export interface CallFigures extends Summary {
  readonly failed: number
}

export class CallLog {
  readonly #times = new Map<string, number[]>()
  readonly #failures = new Map<string, number>()

  /** The outcome of the work, which is counted. @throws what the work throws. */
  async timed<T>(name: string, work: Promise<T>): Promise<T> {
    const begun = performance.now()
    try {
      const result = await work
      const times = this.#times.get(name) ?? []
      times.push(performance.now() - begun)
      this.#times.set(name, times)
      return result
    } catch (error) {
      this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1)
      throw error
    }
  }

  /** How often it succeeded. */
  count(name: string): number {
    return this.#times.get(name)?.length ?? 0
  }

  /** By name, in the order in which they were first done. What never succeeded is left out. */
  figures(): Record<string, CallFigures> {
    return Object.fromEntries(
      [...this.#times].map(([name, times]) => [
        name,
        { ...summarize(times), failed: this.#failures.get(name) ?? 0 },
      ]),
    )
  }
}
