/**
 * Who may change the store. Those who add to it or read layers from it share it; those who remove something have it alone, so that
 * nothing goes away between being found and being noted as in use. The kernel lets go of the locks of the dead.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { libc } from '../../linux/libc.ts'
import { until } from '../../time.ts'
import type { StorePaths } from './store-paths.ts'

/** flock(2). */
const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
/** Unpacking a large image may take minutes, and shares the store meanwhile. */
const patienceMs = 300_000
const pauseMs = 50

/** The store has to exist. @throws KataError IMAGE_STORE_BUSY; the signal's reason. */
export function shareStore(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  return lock(paths, paths.layout, LOCK_SH, signal)
}

/** For removals. @throws as {@link shareStore}. */
export function holdStore(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  return lock(paths, paths.layout, LOCK_EX, signal)
}

/** For a change of the index, which takes no time, by one that shares the store. @throws as {@link shareStore}. */
export function holdIndex(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  return lock(paths, paths.blobs, LOCK_EX, signal)
}

async function lock(
  paths: StorePaths,
  directory: string,
  kind: number,
  signal: AbortSignal | undefined,
): Promise<Disposable> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    const got = await until(() => libc.flock(fd, kind | LOCK_NB) === 0, {
      timeoutMs: patienceMs,
      everyMs: pauseMs,
      signal,
    })
    if (!got) throw new KataError('IMAGE_STORE_BUSY', { path: paths.layout, seconds: patienceMs / 1000 })
    return { [Symbol.dispose]: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}
