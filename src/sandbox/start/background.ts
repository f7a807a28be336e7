/** Work in the background of other steps, which never outlives them. */

export interface Background<T> extends AsyncDisposable {
  /** The result of the work. Its failure waits here, and is never an unhandled rejection. */
  readonly done: Promise<T>
}

/** Starts `work`; leaving the scope before it is done aborts it and waits until it has ended. */
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
