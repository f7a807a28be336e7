/** Reading the log of a container while its shim writes it, and begins a new file when one is full. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { type LogRecord, parseRecord } from '../../../sandbox/records/container-log.ts'
import { olderLog } from '../../../sandbox/records/log-files.ts'
import type { ContainerRecord, RecordPaths } from '../record.ts'

const chunkBytes = 64 * 1024
const newline = 0x0a
/** More files than any log has. */
const mostFiles = 1000

/**
 * Whether the container has a log, or will have one. Versions before this one kept nothing of what a container prints in the foreground.
 */
export const hasLog = (
  { detached, startedAt }: ContainerRecord,
  { log }: Pick<RecordPaths, 'log'>,
): boolean => detached || startedAt === undefined || existsSync(log)

export class LogReader {
  readonly #path: string
  readonly #buffer = Buffer.alloc(chunkBytes)
  #fd: number | undefined
  /** A record that is not whole yet. */
  #rest = Buffer.alloc(0)

  constructor(path: string) {
    this.#path = path
  }

  /** What has come since the last time; at the first, all that is kept. */
  *read(): Generator<LogRecord> {
    // The shim makes the file when the process starts.
    this.#fd ??= openIfThere(olderLog(this.#path, this.#oldest()))
    while (this.#fd !== undefined) {
      const isCurrent = this.#age(this.#fd) === 0
      yield* this.#drain(this.#fd)
      // Nothing more comes into a file that is not the current one.
      if (isCurrent) return
      const next = this.#next(this.#fd)
      // Between two files the shim has no current one.
      if (next === undefined) return
      closeSync(this.#fd)
      this.#fd = next
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #oldest(): number {
    let age = 0
    while (age < mostFiles && inodeOf(olderLog(this.#path, age + 1)) !== undefined) age++
    return age
  }

  /** The file after this one, which may have aged while it was read, and may do so while its age is looked at. */
  #next(fd: number): number | undefined {
    for (;;) {
      const age = this.#age(fd)
      const next = openIfThere(olderLog(this.#path, age === undefined ? this.#oldest() : age - 1))
      if (next === undefined || this.#age(fd) === age) return next
      closeSync(next)
    }
  }

  /** How old the file is; undefined when it is not kept any more. */
  #age(fd: number): number | undefined {
    const { ino } = fstatSync(fd)
    for (let age = 0; age <= mostFiles; age++) {
      const found = inodeOf(olderLog(this.#path, age))
      if (found === ino) return age
      if (found === undefined && age > 0) return undefined
    }
    return undefined
  }

  *#drain(fd: number): Generator<LogRecord> {
    for (let count = readSync(fd, this.#buffer); count > 0; count = readSync(fd, this.#buffer)) {
      const bytes = Buffer.concat([this.#rest, this.#buffer.subarray(0, count)])
      let start = 0
      for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
        const record = parseRecord(bytes.subarray(start, end + 1))
        if (record !== undefined) yield record
        start = end + 1
      }
      this.#rest = bytes.subarray(start)
    }
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
