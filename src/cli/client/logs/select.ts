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

/** The last lines: records that only begin one count once it has ended, or nothing follows. */
export function lastLines(records: Iterable<LogRecord>, { tail }: Selection): Iterable<LogRecord> {
  if (tail === undefined) return records
  const kept: LogRecord[] = []
  let first = 0
  let lines = 0
  const endsLine = ({ bytes }: LogRecord) => bytes.at(-1) === newline
  for (const record of records) {
    // A reader uses its buffer again.
    kept.push({ ...record, bytes: Buffer.from(record.bytes) })
    if (endsLine(record)) lines++
    const open = endsLine(record) ? 0 : 1
    while (lines + open > tail && first < kept.length) if (endsLine(kept[first++]!)) lines--
    // What is passed over is let go of now and then.
    if (first > 10_000) kept.splice(0, first)
    if (first > 10_000) first = 0
  }
  return kept.slice(first)
}
