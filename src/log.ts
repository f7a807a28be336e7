/**
 * Structured logging: one JSON object a line, never on stdout. A full log pipe drops lines instead of blocking or
 * failing the runtime (containerd's log FIFO gives EAGAIN when nobody reads it).
 */
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs'
import { plainJson, plainText } from './plain-text.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** A thrown value goes into `error` as it is: the line has its text, its code and its causes. */
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds `fields` (sandbox, container, subsystem) to every line. */
  child(fields: LogFields): Logger
}

/** Where finished records go. */
export type LogSink = (record: { level: LogLevel; message: string; fields: LogFields; time: Date }) => void

const ranks: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }
/** Longest text of an error in a line, and of each of its causes, characters. */
const maxErrorLength = 4096
const maxCauseLength = 1024
/** More causes than this are left out: a chain may be a ring. */
const maxCauses = 8

/** Builds a logger over a sink; records below `level` are dropped. */
export function createLogger(options: { level?: LogLevel; sink?: LogSink; fields?: LogFields } = {}): Logger {
  const { level = 'info', sink = jsonLines(2), fields: base = {} } = options
  const write =
    (at: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (ranks[at] >= ranks[level])
        sink({ level: at, message, fields: withError({ ...base, ...fields }), time: new Date() })
    }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => createLogger({ level, sink, fields: { ...base, ...fields } }),
  }
}

/** Writes JSON lines to a file descriptor; a line that cannot be written is dropped. */
export function jsonLines(fd: number): LogSink {
  return ({ level, message, fields, time }) => {
    const line = plainJson({ time: time.toISOString(), level, msg: message, ...fields })
    try {
      writeSync(fd, `${line}\n`)
    } catch {
      // Dropped on purpose: see the head of this file.
    }
  }
}

const newline = 0x0a
/** A log that nobody else looks after is this long at most, bytes, and keeps half of that: what is told in it may be of a guest's choice. */
const mostLogBytes = 4 << 20

/**
 * {@link jsonLines} for a file that is ours alone, open for reading and appending: when it is full, its older half goes. Others may append to it,
 * too. Whatever is no file has its bounds elsewhere.
 */
export function boundedJsonLines(fd: number, mostBytes = mostLogBytes): LogSink {
  const write = jsonLines(fd)
  return (record) => {
    keepNewest(fd, mostBytes)
    write(record)
  }
}

/**
 * Drops the older half of such a file when it is full. In place: several processes have it open, and go on at its new end. On a full disk it frees
 * what it writes again. Never throws.
 */
export function keepNewest(fd: number, mostBytes = mostLogBytes): void {
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() || stat.size < mostBytes) return
    const kept = Buffer.alloc(mostBytes >> 1)
    const count = readSync(fd, kept, 0, kept.length, stat.size - kept.length)
    ftruncateSync(fd, 0)
    writeSync(fd, kept.subarray(kept.indexOf(newline) + 1, count))
  } catch {
    // What is about to be written matters more.
  }
}

function withError(fields: LogFields): LogFields {
  const { error } = fields
  if (error === undefined) return fields
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  const causes = causesOf(error)
  return {
    ...fields,
    error: textOf(error, maxErrorLength),
    ...(typeof code === 'string' ? { code: plainText(code, 64) } : {}),
    ...(causes.length === 0 ? {} : { causes }),
  }
}

/** What led to an error, nearest first. */
function causesOf(error: unknown): string[] {
  const causes: string[] = []
  let at = error
  for (let depth = 0; depth < maxCauses && at instanceof Error && at.cause !== undefined; depth++) {
    const text = textOf(at.cause, maxCauseLength)
    // An error that was read back has the answer that told it for its cause.
    if (text !== textOf(at, maxCauseLength)) causes.push(text)
    at = at.cause
  }
  return causes
}

function textOf(error: unknown, most: number): string {
  return plainText(error instanceof Error ? error.message || error.name : String(error), most)
}

/** A logger that keeps nothing, for tests and for library use. */
export const silentLogger: Logger = createLogger({ sink: () => {} })
