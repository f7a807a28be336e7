/**
 * Who may change the store. Those who add to it or read layers from it share it; those who remove something have it alone, so that
 * nothing goes away between being found and being noted as in use. The kernel lets go of the locks of the dead.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { type LockKind, pollLock } from '../../linux/files/flock.ts'
import { realClock } from '../../time.ts'
import type { StorePaths } from './store-paths.ts'

/** Unpacking a large image may take minutes, and shares the store meanwhile. Milliseconds. */
const patienceMs = 300_000
/**
 * How long one who wants the store alone closes its gate, and how long it leaves the gate open after that, milliseconds. Starts that follow each
 * other without a gap would never let it in. An image that takes minutes must not hold up all starts for as long.
 */
const [closedMs, openMs] = [500, 2000]

/** The store has to exist. @throws KataError IMAGE_STORE_BUSY; the signal's reason. */
export async function shareStore(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  using _gate = await lock(paths, gateOf(paths), 'shared', signal)
  return await lock(paths, paths.layout, 'shared', signal)
}

/** For removals. @throws as {@link shareStore}. */
export async function holdStore(paths: StorePaths, signal?: AbortSignal): Promise<Disposable> {
  const end = realClock.now() + patienceMs
  for (;;) {
    const held =
      (await tryBehindGate(paths, signal)) ?? (await tryLock(paths.layout, 'exclusive', openMs, signal))
    if (held !== undefined) return held
    if (realClock.now() > end) throw busy(paths)
  }
}

async function tryBehindGate(paths: StorePaths, signal?: AbortSignal): Promise<Disposable | undefined> {
  using _gate = await lock(paths, gateOf(paths), 'exclusive', signal)
  return await tryLock(paths.layout, 'exclusive', closedMs, signal)
}

/** Who shares the store passes it; nobody else locks this directory. */
const gateOf = ({ layers }: StorePaths): string => layers

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
  const held = await tryLock(directory, kind, patienceMs, signal)
  if (held === undefined) throw busy(paths)
  return held
}

/** Undefined once the time is over. */
async function tryLock(
  directory: string,
  kind: LockKind,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Disposable | undefined> {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    if (await pollLock(fd, { timeoutMs, signal }, kind)) return { [Symbol.dispose]: () => closeSync(fd) }
    closeSync(fd)
    return undefined
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

const busy = ({ layout }: StorePaths) =>
  new KataError('IMAGE_STORE_BUSY', { path: layout, seconds: patienceMs / 1000 })
