/**
 * Takes the steps of an end one after the other. One that fails keeps none of the others from being taken: nobody takes them later.
 *
 * @throws the first failure, once all were taken.
 */
export async function everyStep(steps: readonly (() => void | Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps)
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  if (failures.length > 0) throw failures[0]
}
