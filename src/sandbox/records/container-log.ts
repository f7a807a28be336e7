/**
 * The output of a container: both streams in one file, in the order in which they came, each line with its time. The
 * format is that of the CRI (kubelet's container logs): `TIME STREAM TAG TEXT`, where the tag says whether the line ends here (F) or goes
 * on in the next record of its stream (P).
 */
import { type FileBounds, RotatingFile } from './rotating-file.ts'

export type LogStream = 'stdout' | 'stderr'

export type LogBounds = FileBounds

export interface LogRecord {
  /** RFC 3339. */
  readonly time: string
  readonly stream: LogStream
  /** Ends with a newline, unless the line goes on. */
  readonly bytes: Uint8Array
}

const newline = 0x0a
/** Bytes of a chunk that become records at a time, or one line if it is longer. The records of empty lines are 36 times as large. */
const mostAtOnce = 64 * 1024

/** One stream's way into the file. */
export interface LogSink {
  write(chunk: Uint8Array): void
  close(): void
}

interface OpenLog {
  readonly file: RotatingFile
  users: number
}

/** By path: the streams of a container share its file. */
const open = new Map<string, OpenLog>()

/** Appends to the file. @throws errors of open(2); (write) ENOSPC. */
export function openContainerLog(path: string, stream: LogStream, bounds: LogBounds): LogSink {
  const log = open.get(path) ?? { file: new RotatingFile(path, bounds), users: 0 }
  open.set(path, log)
  log.users++
  return {
    write(chunk) {
      const prefix = `${new Date().toISOString()} ${stream}`
      for (let start = 0; start < chunk.length; ) {
        const end = endOfPart(chunk, start)
        log.file.append(recordsOf(chunk.subarray(start, end), prefix))
        start = end
      }
    },
    close() {
      if (--log.users > 0) return
      open.delete(path)
      log.file.close()
    },
  }
}

/** Where the part that begins at `start` ends: with a line, unless the chunk ends within one. */
function endOfPart(chunk: Uint8Array, start: number): number {
  const most = start + mostAtOnce
  if (most >= chunk.length) return chunk.length
  const last = chunk.lastIndexOf(newline, most - 1)
  const end = last >= start ? last : chunk.indexOf(newline, most)
  return end < 0 ? chunk.length : end + 1
}

/** In one piece: an object for each line of a flood of empty ones would take seconds and hundreds of MiB. */
function recordsOf(part: Uint8Array, prefix: string): Uint8Array {
  const [full, partial] = [Buffer.from(`${prefix} F `), Buffer.from(`${prefix} P `)]
  const goesOn = part.at(-1) !== newline
  const records = new Uint8Array(
    part.length + (lines(part) + (goesOn ? 1 : 0)) * full.length + (goesOn ? 1 : 0),
  )
  let at = 0
  for (let start = 0; start < part.length; ) {
    const found = part.indexOf(newline, start)
    const end = found < 0 ? part.length : found + 1
    records.set(found < 0 ? partial : full, at)
    at += full.length
    for (let from = start; from < end; from++) records[at++] = part[from]!
    start = end
  }
  if (goesOn) records[at] = newline
  return records
}

function lines(part: Uint8Array): number {
  let count = 0
  for (let at = 0; at < part.length; at++) if (part[at] === newline) count++
  return count
}

const pattern = /^(\S{1,40}) (stdout|stderr) ([FP]) /

/** A line of the file, with its newline; undefined for one that is no record. Pure. */
export function parseRecord(line: Uint8Array): LogRecord | undefined {
  const head = Buffer.from(line.subarray(0, 64)).toString('latin1')
  const [all, time, stream, tag] = pattern.exec(head) ?? []
  if (all === undefined) return undefined
  const end = tag === 'F' ? line.length : line.length - 1
  return { time: time!, stream: stream as LogStream, bytes: line.subarray(all.length, end) }
}
