/** Fields of the ttrpc envelope as parts of a frame: payloads are not copied before they are joined. */
import { MalformedMessage, wireType } from '../protobuf/wire-reader.ts'
import { WireWriter } from '../protobuf/wire-writer.ts'
import { TtrpcError } from './status.ts'

/** Two varints have no more. */
const headBytes = 20

/** Tag and value of a varint field; `value` is a non-negative safe integer. */
export function varintField(field: number, value: number): Uint8Array {
  return head(field, wireType.varint, value)
}

/** A bytes or string field; nothing when it is empty, as proto3 writes it. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array[] {
  return bytes.length === 0 ? [] : messageField(field, bytes)
}

/** Tag and length of a message field, then its bytes themselves, not copied. */
export function messageField(field: number, bytes: Uint8Array): Uint8Array[] {
  return [messageHead(field, bytes.length), bytes]
}

/** Tag and length of a field of so many bytes. */
export function messageHead(field: number, length: number): Uint8Array {
  return head(field, wireType.bytes, length)
}

/** The parts one after the other, behind `room` free bytes. */
export function join(parts: readonly Uint8Array[], room = 0): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, room))
  let at = room
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** What `decode` returns. @throws TtrpcError `invalid_argument` for bytes that are no message. */
export function understood<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (error instanceof MalformedMessage) throw new TtrpcError('invalid_argument', error.message)
    throw error
  }
}

function head(field: number, type: number, value: number): Uint8Array {
  const writer = new WireWriter(headBytes)
  writer.tag(field, type)
  writer.varint(value)
  return writer.finish()
}
