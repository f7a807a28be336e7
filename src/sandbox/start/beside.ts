/** Work that runs beside other steps, and never outlives them. */

export interface Beside<T> extends AsyncDisposable {
  /** What the work comes to; its failure waits here and is never an unhandled one. */
  readonly done: Promise<T>
}

/** Starts `work`; leaving the scope before it is done aborts it and waits until it has ended. */
export function beside<T>(work: (signal: AbortSignal) => Promise<T>): Beside<T> {
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
