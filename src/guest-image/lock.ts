/** One build at a time per cache directory, by a lock that the kernel drops when its holder dies: it is never stale. */
import { closeSync, constants, openSync } from 'node:fs'
import { libc, ptr } from '../linux/libc.ts'
import { sleep } from '../time.ts'

/** fcntl(2): open file description locks, which exclude each other inside one process too. */
const F_OFD_SETLK = 37
const F_WRLCK = 1
const pollMs = 200

/**
 * Waits until the lock file `path` (made if missing, left in place) is ours. Disposing of the result gives it back.
 *
 * @throws the signal's reason when aborted while waiting; the error of open(2) when the file cannot be made.
 */
export async function lockFile(path: string, signal?: AbortSignal): Promise<Disposable> {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    while (!tryLock(fd)) {
      signal?.throwIfAborted()
      await sleep(pollMs, signal)
    }
    return { [Symbol.dispose]: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** struct flock on x86-64: short type, short whence, then offset and length; zeros mean the whole file. */
function tryLock(fd: number): boolean {
  const request = Buffer.alloc(32)
  request.writeInt16LE(F_WRLCK, 0)
  return libc.fcntl(fd, F_OFD_SETLK, ptr(request)) === 0
}
