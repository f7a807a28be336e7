/**
 * Who may change the store. Those who add to it or read layers from it share it; those who remove something have it alone, so that
 * nothing goes away between being found and being noted as in use. The kernel lets go of the locks of the dead.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { type LockKind, pollLock } from '../../linux/files/flock.ts'
import type { StorePaths } from './store-paths.ts'

/** Unpacking a large image may take minutes, and shares the store meanwhile. Milliseconds. */
const patienceMs = 300_000

/** The store has to exist. @throws KataError IMAGE_STORE_BUSY; the signal's reason. */
export function shareStore(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  return lock(paths, paths.layout, 'shared', signal)
}

/** For removals. @throws as {@link shareStore}. */
export function holdStore(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  return lock(paths, paths.layout, 'exclusive', signal)
}

/** For a change of the index, which takes no time, by one that shares the store. @throws as {@link shareStore}. */
export function holdIndex(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  return lock(paths, paths.blobs, 'exclusive', signal)
}

async function lock(
  paths: StorePaths,
  directory: string,
  kind: LockKind,
  signal: AbortSignal | undefined,
): Promise<Disposable> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    if (!(await pollLock(fd, { timeoutMs: patienceMs, signal }, kind)))
      throw new KataError('IMAGE_STORE_BUSY', { path: paths.layout, seconds: patienceMs / 1000 })
    return { [Symbol.dispose]: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}
