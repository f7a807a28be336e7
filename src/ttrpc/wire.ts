/** The little of the protobuf wire format that the ttrpc envelope needs. */
import { TtrpcError } from './status.ts'

const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

// Made on first use: an engine without them (QuickJS) gets its own before the first call, not before the first import.
let encoder: { encode(text: string): Uint8Array } | undefined
let decoder: { decode(bytes: Uint8Array): string } | undefined

export function encodeUtf8(text: string): Uint8Array {
  encoder ??= new TextEncoder()
  return encoder.encode(text)
}

function decodeUtf8(bytes: Uint8Array): string {
  decoder ??= new TextDecoder()
  return decoder.decode(bytes)
}

/** Tag and value of a varint field; `value` is a non-negative safe integer. */
export function varintField(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint((field << 3) | wireType.varint), ...varint(value)])
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
  return Uint8Array.from([...varint((field << 3) | wireType.bytes), ...varint(length)])
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

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

/** Reads one message; every length is checked against what is there. */
export class WireReader {
  readonly #data: Uint8Array
  #at = 0
  #type = 0

  constructor(data: Uint8Array) {
    this.#data = data
  }

  /** The number of the next field, 0 at the end of the message. */
  field(): number {
    if (this.#at >= this.#data.length) return 0
    const tag = this.varint()
    const field = Math.floor(tag / 8)
    if (field === 0) throw malformed('field number 0')
    this.#type = tag % 8
    return field
  }

  /** An unsigned varint; above 2^53 only its magnitude is right. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      const byte = this.#data[this.#at++]
      if (byte === undefined) throw malformed('it ends inside a number')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw malformed('a number of more than ten bytes')
  }

  /** Shares memory with the message. */
  bytes(): Uint8Array {
    if (this.#type !== wireType.bytes) throw malformed(`wire type ${this.#type} where bytes belong`)
    return this.#take(this.varint())
  }

  string(): string {
    return decodeUtf8(this.bytes())
  }

  /** Skips an unknown field. */
  skip(): void {
    if (this.#type === wireType.varint) this.varint()
    else if (this.#type === wireType.fixed64) this.#take(8)
    else if (this.#type === wireType.bytes) this.bytes()
    else if (this.#type === wireType.fixed32) this.#take(4)
    else throw malformed(`wire type ${this.#type}`)
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#data.length) throw malformed('it ends inside a field')
    const taken = this.#data.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}

function malformed(what: string): TtrpcError {
  return new TtrpcError('invalid_argument', `malformed message: ${what}`)
}
