/** Waits that may be abandoned before they settle. */

export interface AbortWait extends Disposable {
  readonly aborted: Promise<void>
}

/**
 * Waits for an abort until it is disposed of. A long-lived promise in place of the signal would keep every promise that raced it,
 * with all that these refer to, until it settles.
 */
export function untilAborted(signal: AbortSignal): AbortWait {
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  const tell = () => resolve()
  if (signal.aborted) tell()
  else signal.addEventListener('abort', tell, { once: true })
  return { aborted, [Symbol.dispose]: () => signal.removeEventListener('abort', tell) }
}
