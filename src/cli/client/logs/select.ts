/** Which records of a log a person wants to see. */
import type { LogRecord } from '../../../sandbox/records/container-log.ts'

export interface Selection {
  /** How many of the last lines; undefined: all. */
  readonly tail?: number | undefined
  /** Milliseconds since the epoch, both included. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

const newline = 0x0a

/** Those within the time that was asked for. */
export function* inTime(records: Iterable<LogRecord>, { since, until }: Selection): Generator<LogRecord> {
  for (const record of records) {
    const at = since === undefined && until === undefined ? 0 : Date.parse(record.time)
    if (at >= (since ?? at) && at <= (until ?? at)) yield record
  }
}

/**
 * The last `tail` lines of what `records` gives: it is called twice, and may give more the second time. Nothing is kept: both the number of lines
 * and a line have no bound. Records that only begin one count once it has ended, or nothing follows.
 */
export function* lastLines(records: () => Iterable<LogRecord>, tail: number): Generator<LogRecord> {
  const { count, lines } = countOf(records())
  let over = lines - tail
  let index = 0
  for (const record of records()) {
    if (index++ === count) return
    if (over <= 0) yield record
    else if (endsLine(record)) over--
  }
}

function countOf(records: Iterable<LogRecord>): { readonly count: number; readonly lines: number } {
  let [count, lines, open] = [0, 0, 0]
  for (const record of records) {
    count++
    open = endsLine(record) ? 0 : 1
    if (open === 0) lines++
  }
  return { count, lines: lines + open }
}

const endsLine = ({ bytes }: LogRecord): boolean => bytes.at(-1) === newline
