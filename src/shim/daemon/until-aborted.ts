/** Waiting for what may well outlive whoever waits. */

export interface AbortWait extends Disposable {
  readonly aborted: Promise<void>
}

/**
 * Waits for an abort for as long as it is held. A long-lived promise in the place of the signal would keep everybody
 * who ever raced it, and all they refer to, until it settles.
 */
export function untilAborted(signal: AbortSignal): AbortWait {
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  const tell = () => resolve()
  if (signal.aborted) tell()
  else signal.addEventListener('abort', tell, { once: true })
  return { aborted, [Symbol.dispose]: () => signal.removeEventListener('abort', tell) }
}
