/** JSON files, readable only by root, in which our processes share facts about a sandbox. */
import { KataError } from '../errors.ts'
import { readFile } from '../json/document.ts'
import { JsonMismatch } from '../json/place.ts'
import type { Reader } from '../json/values.ts'

/** Undefined if there is no such file. @throws KataError STATE_UNREADABLE for a file that this version did not write. */
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
