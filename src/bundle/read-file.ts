/** Reading the files of files.ts. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { describeError, KataError } from '../errors.ts'
import { isObject } from '../json/compounds.ts'
import { anything, readText as readJson } from '../json/document.ts'

/** Longest file that is read, bytes: none but the specification has more than some kilobytes. */
const maxFileBytes = 1024 * 1024
/** Longest config.json: the OCI specifications of real pods have some tens of kilobytes. */
export const maxSpecBytes = 8 * 1024 * 1024

/** The text of a file; undefined when there is none. @throws KataError BUNDLE_FILE_INVALID. */
export function readText(path: string, maxBytes = maxFileBytes): string | undefined {
  let fd: number
  try {
    // A FIFO must not hold us up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    const { code = describeError(cause) } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw invalid(path, code, cause)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw invalid(path, 'it is no regular file')
    if (stat.size > maxBytes) throw invalid(path, `it has ${stat.size} bytes; the limit is ${maxBytes}`)
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}

/** The object in a JSON file; undefined when there is no file. @throws KataError BUNDLE_FILE_INVALID. */
export function readObject(
  path: string,
  maxBytes = maxFileBytes,
): Readonly<Record<string, unknown>> | undefined {
  const text = readText(path, maxBytes)
  if (text === undefined) return undefined
  const value = parseJson(path, text)
  if (!isObject(value)) throw invalid(path, 'it holds no object')
  return value
}

export function parseJson(path: string, text: string): unknown {
  try {
    return readJson(anything, text)
  } catch (cause) {
    throw invalid(path, describeError(cause), cause)
  }
}

export function invalid(path: string, reason: string, cause?: unknown): KataError {
  return new KataError('BUNDLE_FILE_INVALID', { path, reason }, cause === undefined ? {} : { cause })
}
