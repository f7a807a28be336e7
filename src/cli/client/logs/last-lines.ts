/** The last lines of a log, while its shim writes it. */
import { closeSync, openSync } from 'node:fs'
import type { LogRecord } from '../../../sandbox/records/container-log.ts'
import { LineReader } from '../lines.ts'
import { type LogReader, recordsIn } from './reader.ts'

/** What was counted in one file, which may be kept no more. */
interface Counted {
  /** A descriptor of its own, at the beginning of the file. */
  readonly fd: number
  readonly records: number
  readonly lines: number
}

const newline = 0x0a

/**
 * The last `tail` lines of the records that `isWanted`, in place of the reader's first `read`. They are counted first; what comes after that is
 * none of them. No record is kept, as neither lines nor a line have a bound, and no file that has none of them. Records that only begin a line
 * count once it has ended, or nothing follows.
 */
export function* lastLines(
  reader: LogReader,
  tail: number,
  isWanted: (record: LogRecord) => boolean,
): Generator<LogRecord> {
  const files: Counted[] = []
  try {
    let over = count(files, reader, tail, isWanted) - tail
    for (let file = files[0]; file !== undefined; file = files[0]) {
      let left = file.records
      for (const record of recordsIn(new LineReader(), file.fd)) {
        if (!isWanted(record)) continue
        if (left-- === 0) break
        if (over <= 0) yield record
        else if (endsLine(record)) over--
      }
      closeFirst(files)
    }
  } finally {
    while (files.length > 0) closeFirst(files)
  }
}

/** The number of lines in `files`, to which the files are added that have the last `tail` of them. */
function count(
  files: Counted[],
  reader: LogReader,
  tail: number,
  isWanted: (record: LogRecord) => boolean,
): number {
  let [records, lines, open] = [0, 0, 0]
  const add = (file: number) => {
    files.push({ fd: openSync(`/proc/self/fd/${file}`, 'r'), records, lines })
    records = lines = 0
    // The first line of a file may have begun in the one before it.
    while (linesIn(files.slice(1)) > tail) closeFirst(files)
  }
  for (const record of reader.read(add)) {
    if (!isWanted(record)) continue
    records++
    open = endsLine(record) ? 0 : 1
    if (open === 0) lines++
  }
  if (reader.current !== undefined) add(reader.current)
  return linesIn(files) + open
}

const linesIn = (files: readonly Counted[]): number => files.reduce((sum, { lines }) => sum + lines, 0)

const closeFirst = (files: Counted[]): void => closeSync(files.shift()!.fd)

const endsLine = ({ bytes }: LogRecord): boolean => bytes.at(-1) === newline
