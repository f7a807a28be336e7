/**
 * Structured logging: one JSON object a line, never on stdout. A full log pipe drops lines instead of blocking or
 * failing the runtime (containerd's log FIFO gives EAGAIN when nobody reads it).
 */
import { writeSync } from 'node:fs'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

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

/** Builds a logger over a sink; records below `level` are dropped. */
export function createLogger(options: { level?: LogLevel; sink?: LogSink; fields?: LogFields } = {}): Logger {
  const { level = 'info', sink = jsonLines(2), fields: base = {} } = options
  const write =
    (at: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (ranks[at] >= ranks[level])
        sink({ level: at, message, fields: { ...base, ...fields }, time: new Date() })
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
    const line = JSON.stringify({ time: time.toISOString(), level, msg: message, ...fields })
    try {
      writeSync(fd, `${line}\n`)
    } catch {
      // Dropped on purpose: see the head of this file.
    }
  }
}

/** A logger that keeps nothing, for tests and for library use. */
export const silentLogger: Logger = createLogger({ sink: () => {} })
