/** Reading the log of a container while its shim writes it, and begins a new file when one is full. */
import { closeSync, existsSync } from 'node:fs'
import { identityAt, identityOf } from '../../../linux/files/file-identity.ts'
import { type LogRecord, parseRecord } from '../../../sandbox/records/container-log.ts'
import { olderLog } from '../../../sandbox/records/log-files.ts'
import { LineReader, openIfThere } from '../lines.ts'
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
  #lines = new LineReader()
  #fd: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** What has come since the last time; at the first, all that is kept. `onEnd` sees each file that is left, before it is closed. */
  *read(onEnd: (fd: number) => void = () => {}): Generator<LogRecord> {
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
      onEnd(this.#fd)
      closeSync(this.#fd)
      this.#fd = next
      // Each record is whole in one file: the rest of one that a power cut has cut goes on nowhere.
      this.#lines = new LineReader()
    }
  }

  /** The file that is read at present. */
  get current(): number | undefined {
    return this.#fd
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #oldest(): number {
    let age = 0
    while (age < mostFiles && existsSync(olderLog(this.#path, age + 1))) age++
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
    const identity = identityOf(fd)
    for (let age = 0; age <= mostFiles; age++) {
      const found = identityAt(olderLog(this.#path, age), { followed: true })
      if (found === identity) return age
      if (found === undefined && age > 0) return undefined
    }
    return undefined
  }
}

export function* recordsIn(lines: LineReader, fd: number): Generator<LogRecord> {
  for (const line of lines.read(fd)) {
    const record = parseRecord(line)
    if (record !== undefined) yield record
  }
}
