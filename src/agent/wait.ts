/** Resolves after `ms`; rejects with the signal's reason when it fires first. */
export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** Tries until it works, every `everyMs`. When `signal` fires, rejects with what the last try said. */
export async function retry<T>(attempt: () => Promise<T>, everyMs: number, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (signal.aborted) throw error
      await delay(everyMs, signal).catch(() => {
        throw error
      })
    }
  }
}
