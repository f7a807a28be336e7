/** The socket of a shim, by which its clients find it. */
import { mkdirSync, rmSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { withBriefLock } from '../linux/files/directory-lock.ts'
import { requireRootsDirectory } from '../linux/files/roots-directory.ts'
import { SyscallError } from '../linux/libc.ts'
import { isListening, listenUnix } from '../linux/sockets/socket.ts'
import type { ShimFlags } from './flags.ts'

/** So many clients may wait, also while the daemon is still starting; Bun sets the same once it serves. One more is refused, as if there were no shim. */
const mostWaiting = 511

/** @throws KataError SHIM_EXISTS, PRIVATE_DIR_PARENT_UNSAFE. */
export function bindSocket(
  runDir: string,
  path: string,
  { namespace, id }: Pick<ShimFlags, 'namespace' | 'id'>,
): number {
  mkdirSync(runDir, { recursive: true, mode: 0o711 })
  requireRootsDirectory(runDir)
  mkdirSync(`${runDir}/s`, { recursive: true, mode: 0o700 })
  return withBriefLock(`${runDir}/s`, () => {
    try {
      return listenUnix(path, mostWaiting)
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === 'EADDRINUSE')) throw error
      if (isListening(path)) throw new KataError('SHIM_EXISTS', { namespace, id, path }, { cause: error })
      // Nobody serves it: a crash left it.
      rmSync(path)
      return listenUnix(path, mostWaiting)
    }
  })
}
