/** Reads files of lines that other processes append to and replace when they are full. */
import { openSync, readSync } from 'node:fs'

const chunkBytes = 64 * 1024
const newline = 0x0a

export class LineReader {
  readonly #buffer = Buffer.alloc(chunkBytes)
  /** The beginning of an incomplete line. */
  #rest = Buffer.alloc(0);

  /** The lines added to the file since the last call, each with its newline. */
  *read(fd: number): Generator<Buffer> {
    for (let count = readSync(fd, this.#buffer); count > 0; count = readSync(fd, this.#buffer)) {
      const bytes = Buffer.concat([this.#rest, this.#buffer.subarray(0, count)])
      let start = 0
      for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
        yield bytes.subarray(start, end + 1)
        start = end + 1
      }
      this.#rest = bytes.subarray(start)
    }
  }
}

export function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
