/** The kinds of values that are no messages, and how each is read and written. */
import { type WireReader, wireType } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

export interface Scalar {
  readonly wire: number
  /** A new value as proto3 has it for a field that was left out. */
  blank(): unknown
  /** Whether the value is not written, because it is the default. */
  isBlank(value: unknown): boolean
  read(reader: WireReader): unknown
  /** @throws RangeError for a number that the kind does not have. */
  write(writer: WireWriter, value: never): void
  /** The value of what a caller gave. */
  from?(given: never): unknown
}

const most64 = 1n << 64n

function number(least: number, most: number, read: (reader: WireReader) => number): Scalar {
  return {
    wire: wireType.varint,
    blank: () => 0,
    isBlank: (value) => value === 0,
    read,
    write(writer, value: number) {
      if (!Number.isInteger(value) || value < least || value > most)
        throw new RangeError(`${value} is no whole number from ${least} to ${most}`)
      if (value < 0) writer.varint64(BigInt(value))
      else writer.varint(value)
    },
  }
}

function bigNumber(least: bigint, most: bigint, read: (reader: WireReader) => bigint): Scalar {
  return {
    wire: wireType.varint,
    blank: () => 0n,
    isBlank: (value) => value === 0n,
    read,
    write(writer, value: bigint) {
      if (value < least || value > most) throw new RangeError(`${value} is not from ${least} to ${most}`)
      writer.varint64(value)
    },
    from: (given: bigint | number | string) => BigInt(given),
  }
}

export const scalars: Readonly<Record<string, Scalar>> = {
  string: {
    wire: wireType.bytes,
    blank: () => '',
    isBlank: (value) => value === '',
    read: (reader) => reader.string(),
    write: (writer, value: string) => writer.string(value),
  },
  bytes: {
    wire: wireType.bytes,
    blank: () => new Uint8Array(0),
    isBlank: (value) => (value as Uint8Array).length === 0,
    read: (reader) => reader.bytes(),
    write: (writer, value: Uint8Array) => writer.bytes(value),
  },
  bool: {
    wire: wireType.varint,
    blank: () => false,
    isBlank: (value) => value === false,
    read: (reader) => reader.varint() !== 0,
    write: (writer, value: boolean) => writer.varint(value ? 1 : 0),
  },
  int32: number(-(2 ** 31), 2 ** 31 - 1, (reader) => reader.int32()),
  uint32: number(0, 2 ** 32 - 1, (reader) => reader.int32() >>> 0),
  int64: bigNumber(-most64 / 2n, most64 / 2n - 1n, (reader) => {
    const value = reader.uint64()
    return value < most64 / 2n ? value : value - most64
  }),
  uint64: bigNumber(0n, most64 - 1n, (reader) => reader.uint64()),
}
