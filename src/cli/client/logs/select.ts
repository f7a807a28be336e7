/** Which records of a log a person wants to see. */
import type { LogRecord } from '../../../sandbox/records/container-log.ts'

export interface Selection {
  /** How many of the last lines; undefined: all. */
  readonly tail?: number | undefined
  /** Milliseconds since the epoch, both included. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

/** Whether it is of the time that was asked for. */
export const isInTime =
  ({ since, until }: Selection) =>
  (record: LogRecord): boolean => {
    const at = since === undefined && until === undefined ? 0 : Date.parse(record.time)
    return at >= (since ?? at) && at <= (until ?? at)
  }

/** Those within the time that was asked for. */
export function* inTime(records: Iterable<LogRecord>, selection: Selection): Generator<LogRecord> {
  const isWanted = isInTime(selection)
  for (const record of records) if (isWanted(record)) yield record
}
