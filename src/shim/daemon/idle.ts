/**
 * Returns the memory of calls once they have stopped: a shim is idle for nearly all its life. Under probes that come every second it never
 * is, so its heap is collected from time to time all the same.
 */
import { libc } from '../../linux/libc.ts'
import { dropCode } from '../../linux/processes/drop-code.ts'
import type { Transport } from '../../ttrpc/ttrpc.ts'

/** Both in milliseconds. */
export interface CollectTimes {
  /** Time without a call after which the heap is collected. */
  readonly idleMs: number
  /** Longest time from the first call to the collection. */
  readonly atLatestMs: number
}

const times: CollectTimes = { idleMs: 2000, atLatestMs: 30_000 }

/** {@link Bun.shrink} leaves the heap for when no function runs, milliseconds; what it uses is not mapped again after this. */
const heapMs = 200

/**
 * Returns what an idle shim does not need: its heap's garbage and the code that calls have used, which the next one reads back from the program
 * without a measurable delay; what the C library kept of libseccomp's work for a container's filter, 1.1 MiB; and the program's own pages.
 */
export function returnMemory(): void {
  Bun.shrink()
  const rest = () => {
    libc.malloc_trim(0)
    dropCode()
  }
  setTimeout(rest, heapMs).unref()
}

/** The function to call for each sign of life. `collect` runs once after each busy period, and in a long one again and again. */
export function collectWhenIdle(
  collect: () => void,
  { idleMs, atLatestMs }: CollectTimes = times,
): () => void {
  let firstCall = 0
  let lastCall = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = () => {
    const rest = Math.min(lastCall + idleMs, firstCall + atLatestMs) - performance.now()
    timer = rest > 0 ? setTimeout(look, rest) : undefined
    if (timer === undefined) collect()
  }
  // Calls do not reset the timer: one that fires too early waits for the rest.
  return () => {
    lastCall = performance.now()
    if (timer !== undefined) return
    firstCall = lastCall
    timer = setTimeout(look, Math.min(idleMs, atLatestMs))
  }
}

/** The transport; `onCall` is called for everything it receives. */
export function watched(transport: Transport, onCall: () => void): Transport {
  return {
    write: (bytes) => transport.write(bytes),
    onClose: (closed) => transport.onClose(closed),
    close: (error) => transport.close(error),
    onData: (receive) =>
      transport.onData((chunk) => {
        onCall()
        receive(chunk)
      }),
  }
}
