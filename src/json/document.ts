/** Whole JSON documents: from a value, a text, or a file. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { JsonMismatch, Place } from './place.ts'
import type { Reader } from './values.ts'

export interface ReadOptions {
  /** The name of the document in messages; none by itself. */
  readonly path?: string
  /** Takes the paths of fields that the reader leaves out. */
  readonly dropped?: string[]
}

/** A value that JSON.parse made. @throws JsonMismatch. */
export function readValue<T>(reader: Reader<T>, value: unknown, { path, dropped }: ReadOptions = {}): T {
  return reader(value, Place.root(dropped, path))
}

/** @throws JsonMismatch. */
export function readText<T>(reader: Reader<T>, json: string, options: ReadOptions = {}): T {
  return readValue(reader, parse(json, options.path), options)
}

/** @throws JsonMismatch, or an error of the system with its `code`. */
export function readFile<T>(
  reader: Reader<T>,
  file: string,
  { maxBytes = 1 << 20, ...options }: ReadOptions & { readonly maxBytes?: number } = {},
): T {
  return readText(reader, readTextFile(file, maxBytes), options)
}

/** A text file that may have at most so many bytes. @throws JsonMismatch, or an error of the system with its `code`. */
export function readTextFile(file: string, maxBytes: number): string {
  const fd = openSync(file, 'r')
  try {
    const { size } = fstatSync(fd)
    if (size > maxBytes) throw new JsonMismatch('', `a file of at most ${maxBytes} bytes`, `one of ${size}`)
    return readUpTo(fd, size, maxBytes).toString()
  } finally {
    closeSync(fd)
  }
}

/** How much is read at a time where the size does not tell, bytes. */
const stepBytes = 16 * 1024

/** A pipe and a device say that they have no bytes, and may have no end; a file may grow meanwhile. @throws JsonMismatch. */
function readUpTo(fd: number, size: number, maxBytes: number): Buffer {
  const parts: Buffer[] = []
  for (let length = 0; ; ) {
    const part = Buffer.allocUnsafe(size > length ? size - length : stepBytes)
    const count = readSync(fd, part, 0, part.length, null)
    if (count === 0) return Buffer.concat(parts)
    parts.push(part.subarray(0, count))
    length += count
    if (length > maxBytes) throw new JsonMismatch('', `a file of at most ${maxBytes} bytes`, 'a longer one')
  }
}

/** A reader that takes each value as it is: for what is shown, and not used. */
export const anything: Reader<unknown> = (value) => value

function parse(json: string, path = ''): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    // A text that is nested too deeply is a RangeError.
    throw new JsonMismatch(path, 'JSON', `none (${error instanceof Error ? error.message : String(error)})`)
  }
}
