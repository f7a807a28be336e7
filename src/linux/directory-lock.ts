/** One process at a time, by a lock on a directory (flock(2)): nothing to clean up, and the kernel lets go of it for the dead. */
import { closeSync, constants, openSync } from 'node:fs'
import { libc } from './libc.ts'

/** flock(2). */
const LOCK_EX_NB = 2 | 4
/** Between two tries, milliseconds. */
const pauseMs = 50

/**
 * Runs `work` while no other process, nor another call in this one, does so with the same directory. One that cannot be
 * had within `patienceMs` milliseconds, or on a directory that is not there, is done without.
 */
export async function withDirectoryLock<T>(
  directory: string,
  patienceMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const fd = open(directory)
  try {
    const deadline = performance.now() + patienceMs
    while (fd !== undefined && libc.flock(fd, LOCK_EX_NB) !== 0 && performance.now() < deadline)
      await Bun.sleep(pauseMs)
    return await work()
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function open(directory: string): number | undefined {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch {
    return undefined
  }
}
