/** Files that nothing can leave behind. */
import { constants, openSync, unlinkSync } from 'node:fs'

/** Of x86-64 (asm-generic/fcntl.h): a file on the file system of a directory, without a name there. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

/**
 * Opens a new file without a name on the file system of `directory`, for its owner alone, to be read and written. It is gone when it is closed,
 * and also when its process is killed.
 *
 * @throws errors of open(2).
 */
export function openNameless(directory: string): number {
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600)
  } catch (error) {
    // Not every file system has it. Then there is a name for a moment.
    if ((error as NodeJS.ErrnoException).code !== 'EOPNOTSUPP') throw error
    const path = `${directory}/.nameless-${crypto.randomUUID()}`
    const fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    return fd
  }
}
