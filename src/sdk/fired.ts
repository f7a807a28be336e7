/** What `work` resolves with, or `cut` once one of the signals has fired, which may be so already. No listener stays. @throws what `work` throws. */
export async function unlessFired<T>(
  work: Promise<T>,
  signals: readonly (AbortSignal | undefined)[],
): Promise<T | 'cut'> {
  let cut = () => {}
  const fired = new Promise<'cut'>((resolve) => {
    cut = () => resolve('cut')
  })
  const stops = signals.map((signal) => signal && listen(signal, cut))
  try {
    return await Promise.race([work, fired])
  } finally {
    for (const stop of stops) stop?.()
  }
}

interface Listener {
  readonly cuts: Set<() => void>
  stop(): void
}

/** One for each signal: that of many commands at a time would have more than ten, which Node warns of as a leak. */
const listeners = new WeakMap<AbortSignal, Listener>()

/** Calls `cut` when the signal fires, or at once. What it returns ends that. */
function listen(signal: AbortSignal, cut: () => void): () => void {
  if (signal.aborted) cut()
  const { cuts, stop } = listeners.get(signal) ?? firstListener(signal)
  cuts.add(cut)
  return () => {
    cuts.delete(cut)
    if (cuts.size === 0) stop()
  }
}

function firstListener(signal: AbortSignal): Listener {
  const cuts = new Set<() => void>()
  const tell = () => {
    for (const cut of cuts) cut()
  }
  const stop = () => {
    signal.removeEventListener('abort', tell)
    listeners.delete(signal)
  }
  signal.addEventListener('abort', tell)
  const listener = { cuts, stop }
  listeners.set(signal, listener)
  return listener
}
