/** The words of this process in lists of processes (/proc/PID/cmdline, proc(5)). */
import { type Pointer, toBuffer } from 'bun:ffi'
import { statFields } from './proc.ts'

/** Where they begin and end in memory: fields 48 and 49 of /proc/PID/stat, of which the first two are not in the list. */
const [argStart, argEnd] = [45, 46]

/** So many bytes are room enough for the words of a shim with names and directories of usual length. */
const usualRoom = 1024

/** A word that makes room for {@link showWords} in a process that is started with it. */
export const room = ' '.repeat(usualRoom)

/**
 * Lists of processes show these words from now on. They take the place of those that the process was started with, and what has no room there
 * is left out. `process.argv` stays.
 */
export function showWords(words: readonly string[]): void {
  const fields = statFields('self')
  const [start, end] = [Number(fields?.[argStart]), Number(fields?.[argEnd])]
  // The kernel shows zeroes to whom it does not trust.
  if (!(start > 0 && end > start)) return
  const bytes = toBuffer(start as Pointer, 0, end - start)
  bytes.fill(0)
  // The last byte stays zero: else the kernel takes the environment behind it for more words.
  bytes.write(words.map((word) => `${word}\0`).join(''), 0, bytes.length - 1)
}
