/** JSON files, readable only by root, by which our processes share what they know of a sandbox. */
import { KataError } from '../errors.ts'
import { readFile } from '../json/document.ts'
import { JsonMismatch } from '../json/place.ts'
import type { Reader } from '../json/values.ts'

/** Undefined when there is no such file. @throws KataError STATE_UNREADABLE for one that is none of this version's. */
export function readState<T>(reader: Reader<T>, path: string): T | undefined {
  try {
    return readFile(reader, path)
  } catch (cause) {
    if (cause instanceof JsonMismatch)
      throw new KataError('STATE_UNREADABLE', { path, reason: cause.message }, { cause })
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
