/** Waiting that ends early. */

/** Longest until an end is noticed, milliseconds. */
const stepMs = 200

/** Resolves after so many milliseconds, or soon after `over` has fired. */
export async function pause(ms: number, over: AbortSignal): Promise<void> {
  const end = performance.now() + ms
  for (let left = ms; left > 0 && !over.aborted; left = end - performance.now())
    await Bun.sleep(Math.min(stepMs, left))
}

/** Does `work` again and again, `seconds` from one beginning to the next, first after `firstMs`. Never when `seconds` is 0. */
export async function repeat(
  seconds: number,
  over: AbortSignal,
  work: () => Promise<void>,
  firstMs = seconds * 1000,
): Promise<void> {
  if (seconds === 0) return
  for (let restMs = firstMs; ; ) {
    await pause(restMs, over)
    if (over.aborted) return
    const begun = performance.now()
    await work()
    restMs = Math.max(0, seconds * 1000 - (performance.now() - begun))
  }
}
