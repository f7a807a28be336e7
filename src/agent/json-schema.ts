/** Small readers that turn untrusted JSON into typed values, and say where and what is wrong. */
import { KataError } from '../errors.ts'

/** Reads the value at `path` (for errors), or throws KataError OCI_SPEC_INVALID. */
export type Reader<T> = (value: unknown, path: string) => T

function wrong(value: unknown, path: string, expected: string): KataError {
  const found =
    JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? String(item) : item)) ?? 'nothing'
  return new KataError('OCI_SPEC_INVALID', { path: path || 'its root', expected, found: found.slice(0, 80) })
}

export const text: Reader<string> = (value, path) => {
  if (typeof value !== 'string') throw wrong(value, path, 'a string')
  return value
}

export const bool: Reader<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw wrong(value, path, 'true or false')
  return value
}

function integer(value: unknown, path: string, expected: string, min: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min) throw wrong(value, path, expected)
  return value
}

export const uint32: Reader<number> = (value, path) => {
  const number = integer(value, path, 'a number from 0 to 4294967295', 0)
  if (number > 0xffffffff) throw wrong(value, path, 'a number from 0 to 4294967295')
  return number
}

// JSON numbers are doubles: 2^64 - 1, the usual "infinity", reads as 2^64. It and what lies above mean the largest.
const maxUint64 = (1n << 64n) - 1n
const maxInt64 = (1n << 63n) - 1n

export const uint64: Reader<bigint> = (value, path) => {
  const number = BigInt(integer(value, path, 'a whole number, not negative', 0))
  return number > maxUint64 ? maxUint64 : number
}

export const int64: Reader<bigint> = (value, path) => {
  const number = BigInt(integer(value, path, 'a whole number', -(2 ** 63)))
  return number > maxInt64 ? maxInt64 : number
}

export function list<T>(item: Reader<T>): Reader<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw wrong(value, path, 'a list')
    return value.map((entry, index) => item(entry, `${path}[${index}]`))
  }
}

/** An object with any keys. */
export function dictionary<T>(item: Reader<T>): Reader<Record<string, T>> {
  return (value, path) =>
    Object.fromEntries(
      Object.entries(object(value, path)).map(([key, entry]) => [key, item(entry, `${path}.${key}`)]),
    )
}

type Fields = Readonly<Record<string, Reader<unknown> | readonly [jsonName: string, reader: Reader<unknown>]>>
type ReaderOf<Field> = Field extends readonly [string, Reader<infer T>]
  ? T
  : Field extends Reader<infer T>
    ? T
    : never

/** An object of known fields, each of which may be missing (or null); unknown ones are left out. */
export function record<const F extends Fields>(fields: F): Reader<{ [Key in keyof F]?: ReaderOf<F[Key]> }> {
  return (value, path) => {
    const source = object(value, path)
    const result: Record<string, unknown> = {}
    for (const [key, field] of Object.entries(fields)) {
      const [name, reader] = typeof field === 'function' ? [key, field] : field
      const entry = Object.hasOwn(source, name) ? source[name] : undefined
      if (entry !== undefined && entry !== null) result[key] = reader(entry, path ? `${path}.${name}` : name)
    }
    return result as { [Key in keyof F]?: ReaderOf<F[Key]> }
  }
}

function object(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(value, path, 'an object')
  return value as Record<string, unknown>
}
