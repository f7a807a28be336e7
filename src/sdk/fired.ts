/** What `work` resolves with, or `cut` once one of the signals has fired, which may be so already. No listener stays. @throws what `work` throws. */
export async function unlessFired<T>(
  work: Promise<T>,
  signals: readonly (AbortSignal | undefined)[],
): Promise<T | 'cut'> {
  let cut = () => {}
  const fired = new Promise<'cut'>((resolve) => {
    cut = () => resolve('cut')
  })
  if (signals.some((signal) => signal?.aborted)) cut()
  for (const signal of signals) signal?.addEventListener('abort', cut)
  try {
    return await Promise.race([work, fired])
  } finally {
    for (const signal of signals) signal?.removeEventListener('abort', cut)
  }
}
