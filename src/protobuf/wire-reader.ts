/** Reads the wire format of protobuf (protobuf.dev/programming-guides/encoding). */
import { decodeUtf8 } from './utf8.ts'

/** How a field's value is written. Groups, which proto3 does not have, are refused. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** Bytes that are no message. */
export class MalformedMessage extends Error {
  constructor(what: string) {
    super(`malformed message: ${what}`)
    this.name = 'MalformedMessage'
  }
}

const mostTag = 2 ** 32 - 1
/** Messages that lie deeper in one another are refused. */
const deepest = 100

/** How many more tags, lengths and numbers may be read: a value in memory costs a hundred times its bytes. */
export interface Budget {
  values: number
}

/** Reads one message; every length is checked against what is there. @throws MalformedMessage from each of its methods. */
export class WireReader {
  readonly #data: Uint8Array
  readonly #budget: Budget
  readonly #depth: number
  readonly #end: number
  #at: number
  #type = 0

  /** `place` is where in the data the message lies, and how many messages are around it. */
  constructor(
    data: Uint8Array,
    budget: Budget = { values: Number.POSITIVE_INFINITY },
    { at, end, depth } = { at: 0, end: data.length, depth: 0 },
  ) {
    this.#data = data
    this.#budget = budget
    this.#depth = depth
    this.#end = end
    this.#at = at
  }

  /** Reads the message in a field, from the same budget. */
  nested(): WireReader {
    if (this.#depth === deepest) throw new MalformedMessage(`more than ${deepest} messages in one another`)
    const { at, end } = this.#field()
    return new WireReader(this.#data, this.#budget, { at, end, depth: this.#depth + 1 })
  }

  /** The number of the next field, 0 at the end of the message. */
  field(): number {
    if (this.isAtEnd()) return 0
    const tag = this.varint()
    if (tag > mostTag) throw new MalformedMessage('a tag of more than 32 bits')
    const field = Math.floor(tag / 8)
    if (field === 0) throw new MalformedMessage('field number 0')
    this.#type = tag % 8
    return field
  }

  /** The wire type of the field that {@link field} came to. */
  get type(): number {
    return this.#type
  }

  /** How many bytes were not read yet. */
  get left(): number {
    return this.#end - this.#at
  }

  isAtEnd(): boolean {
    return this.#at >= this.#end
  }

  /** An unsigned varint; above 2^53 only its magnitude is right. */
  varint(): number {
    this.#count()
    // Small numbers have a byte, and an interpreter takes longer to call a function than to read one.
    const first = this.#data[this.#at]!
    if (first < 0x80 && this.#at < this.#end) {
      this.#at++
      return first
    }
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw new MalformedMessage('a number of more than ten bytes')
  }

  /** The lowest 32 bits of a varint, with their sign: a negative number is written with ten bytes. */
  int32(): number {
    this.#count()
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new MalformedMessage('a number of more than ten bytes')
  }

  /** The lowest 64 bits of a varint. */
  uint64(): bigint {
    const start = this.#at
    const value = this.varint()
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value)
    let exact = 0n
    for (let at = this.#at - 1; at >= start; at--) exact = (exact << 7n) | BigInt(this.#data[at]! & 0x7f)
    return exact & 0xffff_ffff_ffff_ffffn
  }

  /** Shares memory with the message. */
  bytes(): Uint8Array {
    const { at, end } = this.#field()
    return this.#data.subarray(at, end)
  }

  string(): string {
    return decodeUtf8(this.bytes())
  }

  /** Passes over the value of a field. */
  skip(): void {
    if (this.#type === wireType.varint) this.varint()
    else if (this.#type === wireType.fixed64) this.#pass(8)
    else if (this.#type === wireType.bytes) this.#field()
    else if (this.#type === wireType.fixed32) this.#pass(4)
    else throw new MalformedMessage(`wire type ${this.#type}`)
  }

  #count(): void {
    if (this.#budget.values-- <= 0) throw new MalformedMessage('it has too many values')
  }

  #byte(): number {
    if (this.isAtEnd()) throw new MalformedMessage('it ends inside a number')
    return this.#data[this.#at++]!
  }

  /** Where the bytes of a field lie. */
  #field(): { at: number; end: number } {
    if (this.#type !== wireType.bytes)
      throw new MalformedMessage(`wire type ${this.#type} where bytes belong`)
    return this.#pass(this.varint())
  }

  #pass(length: number): { at: number; end: number } {
    const at = this.#at
    const end = at + length
    if (end > this.#end) throw new MalformedMessage('it ends inside a field')
    this.#at = end
    return { at, end }
  }
}
