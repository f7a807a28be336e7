/** Files that nothing can leave behind. */
import { constants, openSync, unlinkSync } from 'node:fs'

/** The value of x86-64 (asm-generic/fcntl.h): a file on the file system of a directory, without a name there. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

/** Errors that a file with a name would meet, too. Any other may mean that the file system has no O_TMPFILE: open(2) names two, FUSE has more. */
const final: ReadonlySet<string | undefined> = new Set(
  'ENOENT ENOSPC EDQUOT EMFILE ENFILE EACCES EROFS'.split(' '),
)

/**
 * Opens a new file without a name on the file system of `directory`, for its owner alone, to be read and written. It cannot get a name (O_EXCL),
 * and disappears when it is closed or its process is killed. `open` is openSync, except in tests.
 *
 * @throws errors of open(2).
 */
export function openNameless(directory: string, open = openSync): number {
  try {
    return open(directory, O_TMPFILE | constants.O_EXCL | constants.O_RDWR, 0o600)
  } catch (error) {
    if (final.has((error as NodeJS.ErrnoException).code)) throw error
    // Such a file system needs a name for a moment.
    const path = `${directory}/.nameless-${crypto.randomUUID()}`
    const fd = open(path, 'wx+', 0o600)
    unlinkSync(path)
    return fd
  }
}
