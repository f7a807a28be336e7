/** Resolves with `cut` once one of the signals has fired, which may be so already. */
export function fired(signals: readonly (AbortSignal | undefined)[]): Promise<'cut'> {
  return new Promise((resolve) => {
    for (const signal of signals) {
      if (signal?.aborted) return resolve('cut')
      signal?.addEventListener('abort', () => resolve('cut'), { once: true })
    }
  })
}
