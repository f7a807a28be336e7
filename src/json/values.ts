/** Readers of single JSON values: texts and numbers within bounds. */
import type { Place } from './place.ts'

/** Turns the value at a place into a typed one. @throws JsonMismatch. */
export type Reader<T> = (value: unknown, at: Place) => T

/** Longest text in bytes unless a reader says otherwise: the longest argument that execve(2) takes. */
const maxTextBytes = 128 * 1024

/** A string of at most so many bytes in UTF-8. NUL is refused: what a C program reads of such a text ends there. */
export function textUpTo(maxBytes: number): Reader<string> {
  return (value, at) => {
    if (typeof value !== 'string') throw at.wrong(value, 'a string')
    if (value.includes('\0')) throw at.wrong(value, 'a string without NUL', 'one with it')
    const bytes = Buffer.byteLength(value)
    if (bytes > maxBytes) throw at.wrong(value, `a string of at most ${maxBytes} bytes`, `one of ${bytes}`)
    return value
  }
}

export const text: Reader<string> = textUpTo(maxTextBytes)

/** One of these words. */
export function choice<const T extends string>(...words: readonly T[]): Reader<T> {
  return (value, at) => {
    const known = words.find((word) => word === value)
    if (known === undefined) throw at.wrong(value, words.map((word) => `"${word}"`).join(' or '))
    return known
  }
}

export const bool: Reader<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw at.wrong(value, 'true or false')
  return value
}

/** A finite number that `accept` takes. JSON has doubles, so a whole number beyond 2^53 has lost its last digits already. */
function numberWhere(expected: string, accept: (value: number) => boolean): Reader<number> {
  return (value, at) => {
    if (typeof value !== 'number') throw at.wrong(value, expected)
    if (!accept(value)) throw at.wrong(value, expected, String(value))
    return value
  }
}

export const number = numberWhere('a number', Number.isFinite)

/** 1 or more. */
export const positive = numberWhere(
  'a whole number above 0',
  (value) => Number.isSafeInteger(value) && value > 0,
)

/** From 0 to 2^32 - 1. */
export const uint32 = numberWhere(
  'a number from 0 to 4294967295',
  (value) => Number.isInteger(value) && value >= 0 && value <= 0xffffffff,
)

/** Not negative; 2^64 - 1, the usual "infinity", reads as 2^64. */
export const uint64 = numberWhere(
  'a whole number, not negative',
  (value) => Number.isInteger(value) && value >= 0,
)

/** The same, for what is compared: a number that has lost its last digits would be another one. */
export const exactUint64 = numberWhere(
  'a whole number up to 9007199254740991, or 18446744073709551615',
  (value) => value >= 0 && (Number.isSafeInteger(value) || value === 2 ** 64),
)

/** From -2^63; 2^63 - 1 reads as 2^63. */
export const int64 = numberWhere('a whole number', (value) => Number.isInteger(value) && value >= -(2 ** 63))

/** The same from -1, which stands for no limit. */
export const int64FromMinusOne = numberWhere(
  'a whole number, or -1 for no limit',
  (value) => Number.isInteger(value) && value >= -1,
)

/** This value and no other. */
export function exactly<const T extends string | number>(wanted: T): Reader<T> {
  return (value, at) => {
    if (value !== wanted) throw at.wrong(value, JSON.stringify(wanted))
    return wanted
  }
}
