/** Files that others may read at any moment. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Whoever reads the file sees what it was, or all of what it is now; never a part, whoever else replaces it. Its owner alone reads it. It is not flushed:
 * after a crash of the host it may be empty.
 */
export function replaceFile(path: string, text: string): void {
  const fresh = `${path}.${process.pid}.new`
  try {
    writeFileSync(fresh, text, { mode: 0o600 })
    renameSync(fresh, path)
  } catch (error) {
    // On a full disk it would be the last bit of room, and each process would leave one.
    rmSync(fresh, { force: true })
    throw error
  }
}
