/** A log file of bounded size: when it is full it becomes `<path>.1`, what was that `<path>.2` and so on, and a new one begins. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import { endsWithinLine } from '../../linux/files/torn-line.ts'
import { olderLog } from './log-files.ts'

const { O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC } = constants

const newline = 0x0a

export interface FileBounds {
  readonly maxBytes: number
  /** With the current one. */
  readonly maxFiles: number
}

export class RotatingFile {
  readonly #path: string
  readonly #bounds: FileBounds
  #fd: number
  #size: number
  /** It was left within a line, whose end nobody writes any more. */
  #isTorn: boolean

  /** Appends to `path`. @throws errors of open(2). */
  constructor(path: string, bounds: FileBounds) {
    this.#path = path
    this.#bounds = bounds
    this.#fd = openSync(path, O_RDWR | O_APPEND | O_CREAT, 0o600)
    this.#size = fstatSync(this.#fd).size
    this.#isTorn = endsWithinLine(this.#fd)
  }

  /**
   * Writes the lines of `text`, each whole into one file; one that is larger than a file may be has a file of its own. A file never makes
   * anybody wait, so it is written directly: at once what one file takes, as lines that are written one by one cost five times as much.
   *
   * @throws ENOSPC; then no part of a line is in it.
   */
  append(text: Uint8Array): void {
    for (let start = 0; start < text.length; ) {
      const end = this.#endOfFitting(text, start)
      if (end === start) this.#rotate()
      else this.#write(text.subarray(start, end))
      start = end
    }
  }

  /** Where the lines end that the file has room for; `start` when it has none. */
  #endOfFitting(text: Uint8Array, start: number): number {
    const room = this.#bounds.maxBytes - this.#size
    if (text.length - start <= room) return text.length
    const last = room > 0 ? text.lastIndexOf(newline, start + room - 1) : -1
    if (last >= start) return last + 1
    if (this.#size > 0) return start
    const next = text.indexOf(newline, start)
    return next < 0 ? text.length : next + 1
  }

  #write(text: Uint8Array): void {
    const bytes = this.#isTorn ? Buffer.concat([Uint8Array.of(newline), text]) : text
    try {
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(this.#fd, bytes, offset)
    } catch (error) {
      this.#forgetAfter(this.#size)
      throw error
    }
    this.#size += bytes.length
    this.#isTorn = false
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** The next record would go on in the middle of one that is there in part. */
  #forgetAfter(size: number): void {
    try {
      ftruncateSync(this.#fd, size)
    } catch {
      // Why it could not be written matters more.
    }
  }

  #rotate(): void {
    const { maxFiles } = this.#bounds
    const made = `${this.#path}.new`
    const fresh = this.#begin(made)
    if (fresh === undefined) return
    try {
      for (let age = maxFiles - 1; age > 0; age--)
        renameIfThere(olderLog(this.#path, age - 1), olderLog(this.#path, age))
      renameSync(made, this.#path)
    } catch (error) {
      closeSync(fresh)
      throw error
    }
    closeSync(this.#fd)
    this.#fd = fresh
    this.#size = 0
    this.#isTorn = false
  }

  /**
   * Made before anything is moved: each try that has no room for it would cost the oldest file. Who follows the log finds another file in
   * its place, and reads the full one to its end. Undefined where the only file there may be has begun anew, for want of room.
   */
  #begin(path: string): number | undefined {
    try {
      return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC, 0o600)
    } catch (error) {
      if (this.#bounds.maxFiles > 1 || !isDiskFull(error)) throw error
      ftruncateSync(this.#fd, 0)
      this.#size = 0
      this.#isTorn = false
      return undefined
    }
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
