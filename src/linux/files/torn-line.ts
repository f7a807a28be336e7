/** Files of lines whose writer did not come to the end of one: a full disk, a power cut. */
import { fstatSync, readSync } from 'node:fs'

const newline = 0x0a

/** Whether the file ends within a line, and the next one would go on there. `fd` can be read from. */
export function endsWithinLine(fd: number): boolean {
  const { size } = fstatSync(fd)
  const last = Buffer.alloc(1)
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== newline
}
