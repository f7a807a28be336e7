/** Mutual exclusion by a lock on a directory (flock(2)). It leaves nothing to clean up: the kernel releases the lock of a dead process. */
import { closeSync, constants, openSync } from 'node:fs'
import { identityAt, identityOf } from './file-identity.ts'
import { pollLock, tryLock, waitForLock } from './flock.ts'

/**
 * Runs `work` while no other process, and no other call in this process, holds the directory's lock. If the lock is not free within `patienceMs`
 * milliseconds, or the directory does not exist, `work` runs without it. So it is for work that may be done twice, at some cost.
 *
 * @throws the reason of `signal`, which ends the wait; what `work` throws.
 */
export async function withBestEffortLock<T>(
  directory: string,
  patienceMs: number,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const fd = open(directory)
  try {
    if (fd !== undefined) await pollLock(fd, { timeoutMs: patienceMs, signal })
    return await work()
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/**
 * {@link withBestEffortLock} for work that needs the lock. Resolves with `gone` if the directory was removed or replaced, and with `busy` if the
 * lock is not free in time.
 */
export async function underDirectoryLock(
  directory: string,
  patienceMs: number,
  work: () => Promise<void>,
): Promise<'done' | 'gone' | 'busy'> {
  const made = await makeUnderDirectoryLock(directory, patienceMs, work)
  return typeof made === 'string' ? made : 'done'
}

/** {@link underDirectoryLock} for work that has a result. @throws the reason of `signal`, which ends the wait; what `make` throws. */
export async function makeUnderDirectoryLock<T>(
  directory: string,
  patienceMs: number,
  make: () => Promise<T>,
  signal?: AbortSignal,
): Promise<{ readonly value: T } | 'gone' | 'busy'> {
  const fd = open(directory)
  if (fd === undefined) return 'gone'
  try {
    if (!(await pollLock(fd, { timeoutMs: patienceMs, signal }))) return 'busy'
    if (!isAt(fd, directory)) return 'gone'
    return { value: await make() }
  } finally {
    closeSync(fd)
  }
}

/** Whether the open directory is the one at the path. */
const isAt = (fd: number, path: string): boolean => identityOf(fd) === identityAt(path, { followed: true })

/** Runs `work`, which must be short, and blocks this process until the lock is free. @throws errors of open(2) and flock(2). */
export function withBriefLock<T>(directory: string, work: () => T): T {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    waitForLock(fd)
    return work()
  } finally {
    closeSync(fd)
  }
}

/** Takes the lock until it is disposed of. Undefined if the lock is not free now, or the directory does not exist. */
export function tryDirectoryLock(directory: string): Disposable | undefined {
  const fd = open(directory)
  if (fd === undefined) return undefined
  if (tryLock(fd)) return { [Symbol.dispose]: () => closeSync(fd) }
  closeSync(fd)
  return undefined
}

/** Undefined if the directory does not exist. @throws other errors of open(2), such as EMFILE, which do not mean that. */
function open(directory: string): number | undefined {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
