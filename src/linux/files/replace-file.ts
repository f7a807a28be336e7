/** Files that others may read at any moment. */
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { writeAll } from './named-write.ts'

/**
 * Whoever reads the file sees what it was, or all of what it is now; never a part, whoever else replaces it. Its owner alone reads it. One that is
 * not flushed may be empty after a crash of the host, and its former content gone.
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
    // On a full disk it would be the last bit of room, and each process would leave one.
    rmSync(fresh, { force: true })
    throw error
  }
}
