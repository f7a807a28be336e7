/**
 * A serial port has no beginning. Stale bytes may precede the first answer: a message of the firmware, or answers to an earlier
 * connection of a restored machine. They are dropped up to the first frame that answers a call of this connection. Stream ids that
 * start at a random number identify such a frame.
 */
import { frameType, headerBytes } from '../ttrpc/frame.ts'
import type { Transport } from '../ttrpc/ttrpc.ts'

/** More bytes than this without an answer are a flood, not leftovers. */
const maxStaleBytes = 1 << 20
/** Answers to a hello are tiny, and the limit makes a chance match even rarer. */
const maxFirstAnswer = 4096
/** Most calls before the first answer. */
const callsBeforeAnswer = 4096

/**
 * The transport without the stale bytes at its start. `dropped` gets their number, once. The stream ends with an error after 1 MiB
 * without an answer.
 */
export function skipStaleBytes(
  inner: Transport,
  firstStreamId: number,
  dropped: (bytes: number) => void = () => {},
): Transport {
  return {
    write: (bytes) => inner.write(bytes),
    onClose: (closed) => inner.onClose(closed),
    close: (error) => inner.close(error),
    onData(receive) {
      let synced = false
      let stale = 0
      let held: Uint8Array = new Uint8Array(0)
      inner.onData((chunk) => {
        if (synced) return receive(chunk)
        held = held.length === 0 ? chunk : concat(held, chunk)
        const start = findAnswer(held, firstStreamId)
        if (start === undefined) {
          // The remaining bytes may be the start of a header.
          const kept = Math.min(held.length, headerBytes - 1)
          stale += held.length - kept
          held = held.slice(held.length - kept)
          if (stale > maxStaleBytes) inner.close(new Error(`${stale} bytes came, and no answer among them`))
          return
        }
        synced = true
        stale += start
        if (stale > 0) dropped(stale)
        receive(held.subarray(start))
        held = new Uint8Array(0)
      })
    },
  }
}

function findAnswer(bytes: Uint8Array, firstStreamId: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + headerBytes <= bytes.length; at++) {
    if (bytes[at + 8] !== frameType.response || view.getUint32(at) > maxFirstAnswer) continue
    const call = (view.getUint32(at + 4) - firstStreamId) / 2
    if (Number.isInteger(call) && call >= 0 && call < callsBeforeAnswer) return at
  }
  return undefined
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length)
  both.set(left)
  both.set(right, left.length)
  return both
}
