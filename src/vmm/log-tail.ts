/** The end of a log file that somebody else writes. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { printable } from './console-log.ts'

const tailBytes = 4096

/** The last lines as plain text; empty when there is no such file. However long it is, only its end is read. */
export function logTail(path: string): string {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    const bytes = Buffer.alloc(tailBytes)
    const size = readSync(fd, bytes, 0, tailBytes, Math.max(fstatSync(fd).size - tailBytes, 0))
    return printable(bytes.toString('utf8', 0, size))
  } finally {
    closeSync(fd)
  }
}
