/** Background work that never outlives the scope that started it. */

export interface Background<T> extends AsyncDisposable {
  /** The result of the work. A failure is kept until it is awaited, and never becomes an unhandled rejection. */
  readonly done: Promise<T>
}

/** Starts `work`. Leaving the scope early aborts the work and waits until it has ended. */
export function background<T>(work: (signal: AbortSignal) => Promise<T>): Background<T> {
  const leaving = new AbortController()
  const done = work(leaving.signal)
  done.catch(() => {})
  return {
    done,
    async [Symbol.asyncDispose]() {
      leaving.abort()
      await done.catch(() => {})
    },
  }
}
