/**
 * What a command line and the service tell each other. The command line sends a request with its standard streams. The service may ask for
 * files, which the command line opens with its own rights, and for variables. Behind `go` there are single bytes, signals for the
 * command, one way, and an {@link encodeEnd end} the other.
 */
import { describeError, KataError } from '../../errors.ts'
import { dictionary, list, needed, record } from '../../json/compounds.ts'
import { readText } from '../../json/document.ts'
import { choice, exactly, type Reader, text, textUpTo, uint32 } from '../../json/values.ts'
import type { Told, ToldError } from '../output/result-file.ts'
import type { FrameLimits } from './frame.ts'

export const protocolVersion = 1

/** From a command line, with three descriptors: standard input, output and error output. */
export interface Request {
  readonly version: typeof protocolVersion
  /** Without the program. */
  readonly argv: readonly string[]
}

/**
 * From the service: `read` wants a file to read, `location` a place (O_PATH), `create` a new file to write, `env` the value of a
 * variable; `go` wants nothing more, and `refused` ends it.
 */
export interface Ask {
  readonly ask: 'read' | 'location' | 'create' | 'env' | 'go' | 'refused'
  /** A path, the name of a variable, or why it is refused. */
  readonly name: string
  /** The exit code of what is refused. */
  readonly code?: number
  /** Why it is refused, for `--result-file`. */
  readonly error?: ToldError
}

/** From a command line: a descriptor comes with it, or it has a value, or it says why not; a variable may have no value. */
export interface Answer {
  /** Such as ENOENT. */
  readonly errno?: string
  readonly value?: string
}

export const readRequest = record<Request>({
  version: needed(exactly(protocolVersion)),
  argv: needed(list(text, 4096)),
})

type Field = ToldError['fields'][string]

const field: Reader<Field> = (value, at) => {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw at.wrong(value, 'a text, a number or a boolean')
}

/** The service's words, which may have anything in them. It bounds the whole message. */
const words: Reader<string> = (value, at) => {
  if (typeof value !== 'string') throw at.wrong(value, 'a string')
  return value
}

const readToldError = record<ToldError>({
  code: needed(words),
  message: needed(words),
  remedy: needed(words),
  fields: needed(dictionary(field)),
})

export const readAsk = record<Ask>({
  ask: needed(choice('read', 'location', 'create', 'env', 'go', 'refused')),
  name: needed(text),
  code: uint32,
  error: readToldError,
})

export const readAnswer = record<Answer>({ errno: textUpTo(32), value: text })

/** What the member's process has sent, which may be anything. @throws KataError SERVICE_REQUEST. */
export function readSent<T>(reader: Reader<T>, json: string, path: string): T {
  try {
    return readText(reader, json, { path })
  } catch (cause) {
    throw new KataError('SERVICE_REQUEST', { reason: describeError(cause) }, { cause })
  }
}

export const requestLimits: FrameLimits = { maxBytes: 1 << 20, maxFds: 3, timeoutMs: 5000 }
/** A file may lie on a slow disk. */
export const answerLimits: FrameLimits = { maxBytes: 256 * 1024, maxFds: 1, timeoutMs: 30_000 }
/** The limits of asks. How long the service takes to allow a command depends on its own work. */
export const askLimits: FrameLimits = { maxBytes: 256 * 1024, maxFds: 0, timeoutMs: 60_000 }

/** Longest part of an error that is told, characters. */
const maxPart = 4096

/** The error with parts that are not too long for a message. */
export function shortened({ code, message, remedy, fields }: ToldError, most = maxPart): ToldError {
  const cut = <T>(value: T) => (typeof value === 'string' ? value.slice(0, most) : value)
  const short = Object.entries(fields).map(([name, value]) => [name, cut(value)] as const)
  return { code, message: message.slice(0, most), remedy, fields: Object.fromEntries(short) }
}

/** The first errors and warnings are told, and no more: all of it has to fit into the socket when the process ends. */
const [maxErrors, maxWarnings] = [8, 16]
/** The kernel takes some 200 KiB that nobody reads yet. A character may have six bytes in JSON. */
const maxEndBytes = 160 * 1024
const readTold = record<Told>({ errors: needed(list(readToldError)), warnings: needed(list(words)) })

/** How a command has ended: a byte with its exit code, and what it told as JSON, in shorter parts where it would be too long. */
export function encodeEnd(exitCode: number, told: Told): Uint8Array {
  let bytes: Uint8Array
  let most = maxPart
  do {
    bytes = Buffer.concat([Uint8Array.of(exitCode), Buffer.from(JSON.stringify(inParts(told, most)))])
    most /= 4
  } while (bytes.length > maxEndBytes && most >= 1)
  return bytes
}

const inParts = ({ errors, warnings }: Told, most: number): Told => ({
  errors: errors.slice(0, maxErrors).map((error) => shortened(error, most)),
  warnings: warnings.slice(0, maxWarnings).map((text) => text.slice(0, most)),
})

/** Undefined for no bytes at all. @throws JsonMismatch. */
export function decodeEnd(bytes: Buffer): (Told & { readonly exitCode: number }) | undefined {
  const [exitCode] = bytes
  if (exitCode === undefined) return undefined
  const json = bytes.subarray(1).toString()
  return {
    exitCode,
    ...(json === ''
      ? { errors: [], warnings: [] }
      : readText(readTold, json, { path: 'end of the command' })),
  }
}
