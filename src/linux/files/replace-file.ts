/** Files that others may read at any moment. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'

/**
 * A reader sees the old content or all of the new one, never a part. Only its owner can read it. It is not flushed:
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
