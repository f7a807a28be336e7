/** Interval of {@link whenAbandoned}, milliseconds. */
const lookMs = 10_000

/**
 * Resolves when `isAlone` was true at two looks in a row: the shim has neither a task nor a client. A client that was killed between
 * `start` and its first call leaves such a shim, with no trace on disk. So does a bundle that was removed while its tasks had ended:
 * no client can find the shim to ask for their exit.
 */
export function whenAbandoned(isAlone: () => boolean, everyMs = lookMs): Promise<void> {
  return new Promise((resolve) => {
    let wasAlone = false
    const timer = setInterval(() => {
      const isAloneNow = isAlone()
      if (isAloneNow && wasAlone) {
        clearInterval(timer)
        resolve()
      }
      wasAlone = isAloneNow
    }, everyMs)
  })
}
