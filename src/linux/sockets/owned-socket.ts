/** Unix sockets in directories of a user who may be hostile. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'

/** open(2): a descriptor that names the file and opens nothing of it. */
const O_PATH = 0o10000000

/**
 * Gives `use` a path that leads to what lies at `path` now, if that is a socket of the user. The directory's owner
 * may put a link to another user's socket there, and we are root. So the file is checked first, and then connected
 * to by its descriptor. The path given has no limit of length either.
 *
 * @throws Error when it is something else; what open(2) and `use` throw.
 */
export async function withSocketOf<T>(
  path: string,
  uid: number,
  use: (path: string) => T | Promise<T>,
): Promise<T> {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW)
  try {
    const stat = fstatSync(fd)
    if (!stat.isSocket() || stat.uid !== uid) throw new Error(`${path} is not a socket of user ${uid}`)
    return await use(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
  }
}
