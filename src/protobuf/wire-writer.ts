/** Writes the wire format of protobuf (protobuf.dev/programming-guides/encoding). */
import { encodeUtf8 } from './utf8.ts'
import { wireType } from './wire-reader.ts'

/** Most messages fit. */
const usualBytes = 256

/** Writes one message into memory that grows. */
export class WireWriter {
  #data: Uint8Array
  #at = 0

  constructor(firstBytes = usualBytes) {
    this.#data = new Uint8Array(firstBytes)
  }

  /** What was written; it shares memory with the writer, which must not be used again. */
  finish(): Uint8Array {
    return this.#data.subarray(0, this.#at)
  }

  tag(field: number, type: number): void {
    this.varint(field * 8 + type)
  }

  /** `value` is a non-negative safe integer. */
  varint(value: number): void {
    this.#room(8)
    let rest = value
    while (rest >= 0x80) {
      this.#data[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#data[this.#at++] = rest
  }

  /** A number of 64 bits; a negative one is written as its two's complement. */
  varint64(value: bigint): void {
    let rest = value < 0n ? value + 0x1_0000_0000_0000_0000n : value
    if (rest <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.varint(Number(rest))
      return
    }
    this.#room(10)
    while (rest >= 0x80n) {
      this.#data[this.#at++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#data[this.#at++] = Number(rest)
  }

  /** A length and so many bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.raw(bytes)
  }

  /** The bytes themselves. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#data.set(bytes, this.#at)
    this.#at += bytes.length
  }

  string(text: string): void {
    this.bytes(encodeUtf8(text))
  }

  /** A field with what `write` writes, behind its length: a message, or numbers one after the other. */
  message(field: number, write: () => void): void {
    this.tag(field, wireType.bytes)
    // The length stands before what it counts, and is known only behind it. Mostly it has one byte.
    this.#room(1)
    const start = this.#at++
    write()
    const length = this.#at - start - 1
    const more = varintBytes(length) - 1
    const end = this.#at + more
    if (more > 0) {
      this.#room(more)
      this.#data.copyWithin(start + 1 + more, start + 1, this.#at)
    }
    this.#at = start
    this.varint(length)
    this.#at = end
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#data.length) return
    const larger = new Uint8Array(Math.max(needed, 2 * this.#data.length))
    larger.set(this.#data.subarray(0, this.#at))
    this.#data = larger
  }
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}
