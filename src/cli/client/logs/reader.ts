/** Reading the log of a container while its shim writes it, and begins a new file when one is full. */
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs'
import { type LogRecord, parseRecord } from '../../../sandbox/records/container-log.ts'
import { olderLog } from '../../../sandbox/records/log-files.ts'
import { inodeOf, LineReader, openIfThere } from '../lines.ts'
import type { ContainerRecord, RecordPaths } from '../record.ts'

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
  readonly #lines = new LineReader()
  #fd: number | undefined
  /** The files before this one, while {@link fromStart} may be asked for them again. */
  #before: number[] | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** What has come since the last time; at the first, all that is kept. */
  *read(): Generator<LogRecord> {
    // The shim makes the file when the process starts.
    this.#fd ??= openIfThere(olderLog(this.#path, this.#oldest()))
    while (this.#fd !== undefined) {
      const isCurrent = this.#age(this.#fd) === 0
      yield* recordsIn(this.#lines, this.#fd)
      // Nothing more comes into a file that is not the current one.
      if (isCurrent) return
      const next = this.#next(this.#fd)
      // Between two files the shim has no current one.
      if (next === undefined) return
      if (this.#before === undefined) closeSync(this.#fd)
      else this.#before.push(this.#fd)
      this.#fd = next
    }
  }

  /**
   * What the first call has read to its end, in place of {@link read}, and the same at each later one, with what has come behind it: its files
   * stay open, although they may be kept no more.
   */
  *fromStart(): Generator<LogRecord> {
    if (this.#before === undefined) {
      this.#before = []
      return yield* this.read()
    }
    const lines = new LineReader()
    for (const file of [...this.#before, this.#fd]) {
      if (file === undefined) return
      // With a place of its own in the file.
      const fd = openSync(`/proc/self/fd/${file}`, 'r')
      try {
        yield* recordsIn(lines, fd)
      } finally {
        closeSync(fd)
      }
    }
  }

  /** From now on there are only those who follow: the room of a file that is kept no more is free once it is closed. */
  letGo(): void {
    for (const fd of this.#before ?? []) closeSync(fd)
    this.#before = undefined
  }

  close(): void {
    this.letGo()
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
}

function* recordsIn(lines: LineReader, fd: number): Generator<LogRecord> {
  for (const line of lines.read(fd)) {
    const record = parseRecord(line)
    if (record !== undefined) yield record
  }
}
