/** A part of an end. One that failed may be taken again. */
export type Step = () => void | Promise<void>

/** Steps of an end, one after the other. One that fails keeps none of the others from being taken: nobody takes them later. */
export class Steps {
  #left: readonly Step[]

  constructor(steps: readonly Step[]) {
    this.#left = steps
  }

  /** Takes those that were not taken yet, or failed. @throws the first failure, once all were tried. */
  async take(): Promise<void> {
    const failed: Step[] = []
    const failures: unknown[] = []
    for (const step of this.#left)
      try {
        await step()
      } catch (error) {
        failed.push(step)
        failures.push(error)
      }
    this.#left = failed
    if (failures.length > 0) throw failures[0]
  }
}
