/** Messages over TCP: each has its length in front, two bytes (RFC 1035, 4.2.2). Pure. */

const lengthBytes = 2
/** No message is longer. */
export const messageBytes = 0xffff

export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** The first message and what follows it; undefined when it is not whole yet. */
export function unframed(received: Buffer): { readonly message: Buffer; readonly rest: Buffer } | undefined {
  if (received.length < lengthBytes) return undefined
  const end = lengthBytes + received.readUInt16BE(0)
  if (received.length < end) return undefined
  return { message: received.subarray(lengthBytes, end), rest: received.subarray(end) }
}
