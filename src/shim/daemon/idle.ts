/** Memory that a burst of calls left behind is given back once nobody calls any more: a shim idles nearly all its life. */
import type { Transport } from '../../ttrpc/ttrpc.ts'

/** How long nothing may have come, milliseconds, before the heap is collected. */
const idleMs = 2000

/** Returns what is to be told of every sign of life. `collect` runs once after each time that was busy. */
export function collectWhenIdle(collect: () => void, afterMs = idleMs): () => void {
  let lastCall = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = () => {
    const rest = lastCall + afterMs - performance.now()
    timer = rest > 0 ? setTimeout(look, rest) : undefined
    if (timer === undefined) collect()
  }
  // No timer is set anew with each call: one that comes too early looks again.
  return () => {
    lastCall = performance.now()
    timer ??= setTimeout(look, afterMs)
  }
}

/** The transport, with `onCall` told of everything that comes. */
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
