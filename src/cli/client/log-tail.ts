/** Reading the log of a detached container while its shim writes it, and begins a new file when one is full. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { olderLog } from '../../sandbox/records/log-files.ts'
import type { ByteSink } from './output.ts'

const chunkBytes = 64 * 1024

export class LogTail {
  readonly #path: string
  readonly #sink: ByteSink
  readonly #buffer = Buffer.alloc(chunkBytes)
  #fd: number | undefined

  constructor(path: string, sink: ByteSink) {
    this.#path = path
    this.#sink = sink
  }

  /** Copies what has come since the last time; at the first, all that is kept. */
  async copy(): Promise<void> {
    // The shim makes the file when the process starts.
    if (this.#fd === undefined) await this.#begin()
    while (this.#fd !== undefined) {
      const rotated = this.#isRotated(this.#fd)
      await this.#drain(this.#fd)
      if (!rotated) return
      closeSync(this.#fd)
      this.#fd = openIfThere(this.#path)
    }
  }

  /** What is there by now is not copied. */
  async skip(): Promise<void> {
    this.#fd = openIfThere(this.#path)
    while (this.#fd !== undefined && readSync(this.#fd, this.#buffer) > 0);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
  }

  /** The newer file first: should it become the older one in between, it is the same, and read once. */
  async #begin(): Promise<void> {
    this.#fd = openIfThere(this.#path)
    const older = openIfThere(olderLog(this.#path))
    if (older === undefined) return
    try {
      if (this.#fd === undefined || fstatSync(older).ino !== fstatSync(this.#fd).ino) await this.#drain(older)
    } finally {
      closeSync(older)
    }
  }

  /** Whether another file has the name by now: nothing more comes into this one then. */
  #isRotated(fd: number): boolean {
    const now = statSync(this.#path, { throwIfNoEntry: false })
    return now !== undefined && now.ino !== fstatSync(fd).ino
  }

  async #drain(fd: number): Promise<void> {
    for (let bytes = readSync(fd, this.#buffer); bytes > 0; bytes = readSync(fd, this.#buffer))
      await this.#sink.write(this.#buffer.slice(0, bytes))
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
