/** When rules of the packet filter are to be looked at: once it has changed, or now and then where the kernel does not tell. */
import type { WatchFilter } from '../../linux/interfaces/filter-changes.ts'
import { sleep } from '../../time.ts'

/** Between two looks, milliseconds: where the kernel tells of changes, where it does not, and at the least. */
const pauses = { toldMs: 60_000, untoldMs: 1000, leastMs: 50 } as const

/**
 * Returns what resolves whenever it is time for a look, the first time at once.
 *
 * @throws the reason of `signal` once that fires (what is returned does).
 */
export function lookTimes(watch: WatchFilter, signal: AbortSignal): () => Promise<void> {
  let watching: Disposable | undefined
  let isFirst = true
  let changed = true
  let pause = new AbortController()
  const wake = () => {
    changed = true
    pause.abort()
  }
  const ended = () => {
    watching = undefined
    wake()
  }
  const stop = () => {
    watching?.[Symbol.dispose]()
    wake()
  }
  signal.addEventListener('abort', stop, { once: true })
  return async () => {
    // Others may change theirs all the time.
    if (!isFirst) await sleep(pauses.leastMs, signal)
    isFirst = false
    // What changes from now on is told; what changed before is looked at.
    watching ??= await watch({ changed: wake, ended }).catch(() => undefined)
    if (signal.aborted) stop()
    else if (!changed) {
      pause = new AbortController()
      await sleep(watching === undefined ? pauses.untoldMs : pauses.toldMs, pause.signal).catch(() => {})
    }
    changed = false
    signal.throwIfAborted()
  }
}
