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
      log.file.append(recordsOf(chunk, `${new Date().toISOString()} ${stream}`))
    },
    close() {
      if (--log.users > 0) return
      open.delete(path)
      log.file.close()
    },
  }
}

function* recordsOf(chunk: Uint8Array, prefix: string): Generator<Uint8Array> {
  const [full, partial] = [Buffer.from(`${prefix} F `), Buffer.from(`${prefix} P `)]
  let start = 0
  for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
    yield Buffer.concat([full, chunk.subarray(start, end + 1)])
    start = end + 1
  }
  if (start < chunk.length) yield Buffer.concat([partial, chunk.subarray(start), Buffer.of(newline)])
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
