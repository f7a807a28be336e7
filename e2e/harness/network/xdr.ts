/** XDR (RFC 4506): numbers of four and eight bytes, and bytes with their length before them, padded to four. */

const padding = (length: number) => (4 - (length % 4)) % 4

export class XdrReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  number(): number {
    this.#at += 4
    return this.#bytes.readUInt32BE(this.#at - 4)
  }

  long(): number {
    return this.number() * 2 ** 32 + this.number()
  }

  opaque(): Buffer {
    const length = this.number()
    const start = this.#at
    this.#at += length + padding(length)
    return this.#bytes.subarray(start, start + length)
  }
}

export class XdrWriter {
  readonly #parts: Buffer[] = []

  numbers(...values: readonly number[]): this {
    for (const value of values) {
      const part = Buffer.alloc(4)
      part.writeUInt32BE(value >>> 0)
      this.#parts.push(part)
    }
    return this
  }

  longs(...values: readonly number[]): this {
    for (const value of values) this.numbers(Math.floor(value / 2 ** 32), value % 2 ** 32)
    return this
  }

  opaque(bytes: Uint8Array): this {
    this.numbers(bytes.length)
    this.#parts.push(Buffer.from(bytes), Buffer.alloc(padding(bytes.length)))
    return this
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }
}
