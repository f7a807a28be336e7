/** Readers of lists and objects. What they return is frozen, and so is all that is in it. */
import type { Place } from './place.ts'
import type { Reader } from './values.ts'

/** Most entries of a list or dictionary unless a reader says otherwise. */
const maxEntries = 65_536

export function list<T>(item: Reader<T>, most: number = maxEntries): Reader<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw at.wrong(value, 'a list')
    checkCount(value.length, most, at)
    return Object.freeze(value.map((entry, index) => item(entry, at.item(index))))
  }
}

/** An object with any keys. */
export function dictionary<T>(
  item: Reader<T>,
  most: number = maxEntries,
): Reader<Readonly<Record<string, T>>> {
  return (value, at) => {
    const entries = Object.entries(asObject(value, at))
    checkCount(entries.length, most, at)
    return Object.freeze(Object.fromEntries(entries.map(([key, entry]) => [key, item(entry, at.field(key))])))
  }
}

function checkCount(count: number, most: number, at: Place): void {
  if (count > most) throw at.wrong(undefined, `at most ${most} entries`, `one with ${count}`)
}

/** A field that a record must have. */
export interface Needed<T> {
  readonly needed: Reader<T>
}

export const needed = <T>(reader: Reader<T>): Needed<T> => ({ needed: reader })

/** A reader for each field of `T`: a needed one exactly where the type has no question mark. */
export type FieldsOf<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? Reader<Exclude<T[K], undefined>>
    : Needed<T[K]>
}

/**
 * An object with the fields of `T`. A field that is null counts as absent, as Go's encoding/json takes it. Fields that are
 * not of `T` are left out and noted ({@link Place.drop}).
 *
 * The reader of a large document is made by a function when the document is read. It would stay in the memory of every idle shim as a constant
 * of its module.
 */
export function record<T extends object>(fields: FieldsOf<T>): Reader<T> {
  const readers = new Map(Object.entries(fields) as [string, Reader<unknown> | Needed<unknown>][])
  return (value, at) => {
    const source = asObject(value, at)
    for (const name of Object.keys(source)) if (!readers.has(name)) at.drop(name)
    const result: Record<string, unknown> = {}
    for (const [name, field] of readers) {
      const entry = Object.hasOwn(source, name) ? source[name] : undefined
      if (typeof field !== 'function') result[name] = field.needed(entry, at.field(name))
      else if (entry !== undefined && entry !== null) result[name] = field(entry, at.field(name))
    }
    // The loop above made what the type of `fields` says.
    return Object.freeze(result) as T
  }
}

function asObject(value: unknown, at: Place): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw at.wrong(value, 'an object')
  return value
}

/** Whether a JSON value is an object, and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
