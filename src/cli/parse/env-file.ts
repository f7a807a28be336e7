/**
 * `--env-file FILE`: lines of `KEY=VALUE`, or of `KEY` to pass the caller's on; nothing is unquoted or expanded, as in docker. A value of
 * several lines fits into a file as `env -0` writes it, in which a NUL ends each `KEY=VALUE`.
 */
import { openSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { closing } from '../../linux/files/open-at.ts'
import { readUpTo } from '../../linux/files/read-up-to.ts'
import type { EnvWishes } from './env.ts'

const maxBytes = 1 << 20

/** What `run` and `exec` are told of variables. */
export interface EnvFlags {
  readonly env?: readonly string[]
  readonly envFile?: readonly string[]
}

/** Reads the files, in their order. @throws KataError ENV_FILE_INVALID. */
export const envWishesOf = ({ env = [], envFile = [] }: EnvFlags): EnvWishes => ({
  files: envFile.flatMap((path) => readEnvFile(path)),
  options: env,
})

/** The same of one file, which errors call `place`. @throws KataError ENV_FILE_INVALID. */
export function readEnvFile(path: string, place = path): string[] {
  try {
    const bytes = closing(openSync(path, 'r'), (fd) => readUpTo(fd, maxBytes + 1))
    return parseEnvFile(bytes, place)
  } catch (cause) {
    if (cause instanceof KataError) throw cause
    throw new KataError('ENV_FILE_INVALID', { place, reason: describeError(cause) }, { cause })
  }
}

/** Pure. @throws KataError ENV_FILE_INVALID. */
export function parseEnvFile(bytes: Uint8Array, path: string): string[] {
  if (bytes.length > maxBytes) throw tooLarge(path)
  const text = decode(bytes, path)
  if (text.endsWith('\0')) return parseEntries(text, path)
  return text.split('\n').flatMap((text, index) => {
    // A value keeps its blanks at the end.
    const line = text.replace(/\r$/, '').trimStart()
    if (line === '' || line.startsWith('#')) return []
    const name = line.split('=', 1)[0] ?? ''
    if (name === '' || /[\s\0]/.test(name) || line.includes('\0'))
      throw invalid(`${path}:${index + 1}`, `"${name.slice(0, 80)}" is no name of a variable`)
    return [line]
  })
}

function parseEntries(text: string, path: string): string[] {
  return text
    .slice(0, -1)
    .split('\0')
    .map((entry, index) => {
      const equals = entry.indexOf('=')
      if (equals > 0 && !/\s/.test(entry.slice(0, equals))) return entry
      throw invalid(path, `entry ${index + 1} does not begin with the name of a variable and "="`)
    })
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new KataError('ENV_FILE_INVALID', { place: path, reason: 'it is not UTF-8' }, { cause })
  }
}

const tooLarge = (place: string) => invalid(place, `it has more than ${maxBytes} bytes`)

function invalid(place: string, reason: string): KataError {
  return new KataError('ENV_FILE_INVALID', { place, reason })
}
