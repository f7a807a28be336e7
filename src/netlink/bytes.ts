/** Bytes in the host's order, which is little-endian wherever kata-ts runs; no Buffer, so that QuickJS runs it too. */

const textEncoder = new TextEncoder()
const textDecoder = new TextDecoder()

/** A structure of `size` zero bytes, filled in by `fill`. */
export function structure(size: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size)
  fill(view(bytes))
  return bytes
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export const uint32 = (value: number): Uint8Array => structure(4, (to) => to.setUint32(0, value, true))

/** The kernel's C strings, with the NUL at their end. */
export const cstring = (text: string): Uint8Array => textEncoder.encode(`${text}\0`)

/** Text up to the first NUL. */
export function fromCstring(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return textDecoder.decode(end < 0 ? bytes : bytes.subarray(0, end))
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
