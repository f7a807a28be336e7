/** Replaces files that other processes may read at any moment. */
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { writeAll } from './named-write.ts'

/**
 * Replaces a file in one step: readers see the old content or the new, never a part, even if several processes replace it. Only its owner can
 * read it. Without `isFlushed`, the file may be empty after a crash of the host, and its old content lost.
 */
export function replaceFile(path: string, text: string, { isFlushed = false } = {}): void {
  const fresh = `${path}.${process.pid}.new`
  try {
    const fd = openSync(fresh, 'w', 0o600)
    try {
      writeAll(fd, Buffer.from(text), path, { isFlushed })
    } finally {
      closeSync(fd)
    }
    renameSync(fresh, path)
  } catch (error) {
    // On a full disk it would take the last space, and each process would leave such a file.
    rmSync(fresh, { force: true })
    throw error
  }
}
