/** Returns the memory of a burst of calls once the calls have stopped: a shim is idle for nearly all its life. */
import type { Transport } from '../../ttrpc/ttrpc.ts'

/** Idle time before the heap is collected, milliseconds. */
const idleMs = 2000

/** Returns the function to call for each sign of life. `collect` runs once after each busy period. */
export function collectWhenIdle(collect: () => void, afterMs = idleMs): () => void {
  let lastCall = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = () => {
    const rest = lastCall + afterMs - performance.now()
    timer = rest > 0 ? setTimeout(look, rest) : undefined
    if (timer === undefined) collect()
  }
  // Calls do not reset the timer: one that fires too early waits for the rest.
  return () => {
    lastCall = performance.now()
    timer ??= setTimeout(look, afterMs)
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
