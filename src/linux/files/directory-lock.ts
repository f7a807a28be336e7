/** One process at a time, by a lock on a directory (flock(2)): nothing to clean up, and the kernel lets go of it for the dead. */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs'
import { pollLock, tryLock, waitForLock } from './flock.ts'

/**
 * Runs `work` while no other process, and no other call in this one, does so with the same directory; for work that the lock only spares from
 * being done twice. If the lock is not free within `patienceMs` milliseconds, or the directory does not exist, `work` runs without it.
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
 * {@link withBestEffortLock} for work that must not be done without: resolves with `gone` when the directory is not there any
 * more, or another one is in its place, and with `busy` when the lock cannot be had in time.
 */
export async function underDirectoryLock(
  directory: string,
  patienceMs: number,
  work: () => Promise<void>,
): Promise<'done' | 'gone' | 'busy'> {
  const made = await makeUnderDirectoryLock(directory, patienceMs, work)
  return typeof made === 'string' ? made : 'done'
}

/** {@link underDirectoryLock} for work that makes something. @throws the reason of `signal`, which ends the wait; what `make` throws. */
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

/** Whether the open directory is the one at the path. Whole numbers: rounded, large ones are the same for many. */
function isAt(fd: number, path: string): boolean {
  const [own, there] = [
    fstatSync(fd, { bigint: true }),
    statSync(path, { bigint: true, throwIfNoEntry: false }),
  ]
  return own.dev === there?.dev && own.ino === there.ino
}

/** The result of `work`, which takes moments: this process waits for the lock and does nothing else. @throws errors of open(2) and flock(2). */
export function withBriefLock<T>(directory: string, work: () => T): T {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    waitForLock(fd)
    return work()
  } finally {
    closeSync(fd)
  }
}

/** The lock, if it is free now, until it is disposed of; undefined when another has it, or when the directory does not exist. */
export function tryDirectoryLock(directory: string): Disposable | undefined {
  const fd = open(directory)
  if (fd === undefined) return undefined
  if (tryLock(fd)) return { [Symbol.dispose]: () => closeSync(fd) }
  closeSync(fd)
  return undefined
}

/** Undefined when there is none. A host without a free descriptor, for one, has it all the same. @throws other errors of open(2). */
function open(directory: string): number | undefined {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
