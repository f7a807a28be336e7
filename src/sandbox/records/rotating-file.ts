/** A log file of bounded size: when it is full it becomes `<path>.1`, in place of the one before, and a new one begins. */
import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { olderLog } from './log-files.ts'

const { O_WRONLY, O_APPEND, O_CREAT } = constants

export class RotatingFile {
  readonly #path: string
  readonly #mostBytes: number
  #fd: number
  #size: number

  /** Appends to `path`, which gets no more than `mostBytes`. @throws errors of open(2). */
  constructor(path: string, mostBytes = Number.POSITIVE_INFINITY) {
    this.#path = path
    this.#mostBytes = mostBytes
    this.#fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT, 0o600)
    this.#size = fstatSync(this.#fd).size
  }

  /** A file never blocks its writer, so it is written directly. @throws ENOSPC. */
  write(chunk: Uint8Array): void {
    for (let offset = 0; offset < chunk.length; ) {
      if (this.#size >= this.#mostBytes) this.#rotate()
      const count = writeSync(this.#fd, chunk, offset, Math.min(chunk.length - offset, this.#room()))
      offset += count
      this.#size += count
    }
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** At most what writeSync takes as a length. */
  #room(): number {
    return Math.min(this.#mostBytes - this.#size, 2 ** 31 - 1)
  }

  #rotate(): void {
    renameSync(this.#path, olderLog(this.#path))
    const fresh = openSync(this.#path, O_WRONLY | O_APPEND | O_CREAT, 0o600)
    closeSync(this.#fd)
    this.#fd = fresh
    this.#size = 0
  }
}
