/** Reads one TOML file as untrusted bytes. The result is always a table or a KataError that names the place. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import { KataError } from '../../errors.ts'
import { lineFinder } from './locate.ts'

export type Table = Readonly<Record<string, unknown>>

export interface TomlFile {
  readonly file: string
  readonly root: Table
  /** The line of a table or key; see {@link lineFinder}. */
  readonly lineOf: (path: readonly string[]) => number
}

const maxBytes = 1024 * 1024

/** Throws when the file that is open is not to be read. */
type Check = (stat: Stats, fd: number) => void

/** @throws KataError CONFIG_UNREADABLE, CONFIG_SYNTAX */
export function readTomlFile(file: string, check: Check = () => {}): TomlFile {
  return parseToml(file, readBytes(file, check))
}

/**
 * Reads a main file. Its owner and group are the operator's choice (`kata-ts check` tells of them); what everybody may write is nobody's.
 * @throws KataError CONFIG_WRITABLE, CONFIG_UNREADABLE, CONFIG_SYNTAX
 */
export function readMainFile(file: string): TomlFile {
  return readTomlFile(file, ({ mode }) => {
    if ((mode & 0o002) !== 0) throw new KataError('CONFIG_WRITABLE', { path: file })
  })
}

/** @throws KataError CONFIG_UNREADABLE when the bytes are not UTF-8, CONFIG_SYNTAX when they are not TOML */
export function parseToml(file: string, bytes: Uint8Array): TomlFile {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new KataError('CONFIG_UNREADABLE', { path: file, reason: 'it is not UTF-8 text' }, { cause })
  }
  try {
    const root = parse(text, { integersAsBigInt: true, maxDepth: 16 })
    return { file, root, lineOf: lineFinder(text) }
  } catch (cause) {
    if (!(cause instanceof TomlError))
      throw new KataError('CONFIG_UNREADABLE', { path: file, reason: String(cause) }, { cause })
    // The first line of the message is the reason, the rest repeats the text around the place.
    const reason = cause.message.split('\n')[0]!.replace('Invalid TOML document: ', '')
    throw new KataError('CONFIG_SYNTAX', { file, line: cause.line, column: cause.column, reason }, { cause })
  }
}

function readBytes(path: string, check: Check): Uint8Array {
  const unreadable = (reason: string, cause?: unknown) =>
    new KataError('CONFIG_UNREADABLE', { path, reason }, { cause })
  let fd: number
  try {
    // O_NONBLOCK: a FIFO in place of the file must not hang the start.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw unreadable((cause as NodeJS.ErrnoException).code ?? 'open failed', cause)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile())
      throw unreadable(stat.isDirectory() ? 'it is a directory' : 'it is not a regular file')
    check(stat, fd)
    if (stat.size > maxBytes) throw unreadable(`it has ${stat.size} bytes`)
    // Files of /proc say that they have no bytes, and others may grow meanwhile.
    const bytes = readUpTo(fd, maxBytes + 1)
    if (bytes.length > maxBytes) throw unreadable(`it has more than ${maxBytes} bytes`)
    return bytes
  } catch (cause) {
    if (cause instanceof KataError) throw cause
    throw unreadable((cause as NodeJS.ErrnoException).code ?? 'read failed', cause)
  } finally {
    closeSync(fd)
  }
}

function readUpTo(fd: number, most: number): Uint8Array {
  const bytes = Buffer.alloc(most)
  let length = 0
  for (let count = -1; count !== 0 && length < most; length += count)
    count = readSync(fd, bytes, length, most - length, null)
  return bytes.subarray(0, length)
}

/** Whether a TOML value is a table (and not a list or a date). */
export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
