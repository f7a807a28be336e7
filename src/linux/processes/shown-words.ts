/** The arguments of this process as lists of processes show them (/proc/PID/cmdline, proc(5)). */
import { type Pointer, toBuffer } from 'bun:ffi'
import { statFields } from './proc.ts'

/** Indices in {@link statFields} of fields 48 and 49 of /proc/PID/stat: where the arguments begin and end in memory. */
const [argStart, argEnd] = [45, 46]

/** Bytes that hold the arguments of a shim with names and directories of usual length. */
const usualRoom = 1024

/** An argument that reserves space for {@link showWords} in the process that is started with it. */
export const room = ' '.repeat(usualRoom)

/**
 * Makes lists of processes show these arguments from now on. They overwrite the ones with which the process was started, and are cut to their
 * length. `process.argv` is unchanged.
 */
export function showWords(words: readonly string[]): void {
  const fields = statFields('self')
  const [start, end] = [Number(fields?.[argStart]), Number(fields?.[argEnd])]
  // The kernel shows zeros to a process without the right to see them.
  if (!(start > 0 && end > start)) return
  const bytes = toBuffer(start as Pointer, 0, end - start)
  bytes.fill(0)
  // The last byte stays zero. Otherwise the kernel would show the environment behind it as more arguments.
  bytes.write(words.map((word) => `${word}\0`).join(''), 0, bytes.length - 1)
}
