import { readSync } from 'node:fs'

/** The next bytes of a file or pipe, at most `most`, and fewer only where it ends. Sizes do not tell: files grow, and those of /proc say 0. */
export function readUpTo(fd: number, most: number): Buffer {
  const bytes = Buffer.alloc(most)
  let length = 0
  for (let count = -1; count !== 0 && length < most; length += count)
    count = readSync(fd, bytes, length, most - length, null)
  return bytes.subarray(0, length)
}
