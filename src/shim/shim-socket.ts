/** The socket of a shim, by which its clients find it. */
import { mkdirSync, rmSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { withBriefLock } from '../linux/files/directory-lock.ts'
import { requireRootsDirectory } from '../linux/files/roots-directory.ts'
import { SyscallError } from '../linux/libc.ts'
import { isListening, listenUnix } from '../linux/sockets/socket.ts'
import { sandboxKey } from '../sandbox/records/paths.ts'
import type { ShimFlags } from './flags.ts'

/** So many clients may wait, also while the daemon is still starting; Bun sets the same once it serves. One more is refused, as if there were no shim. */
const mostWaiting = 511

/** Path of the socket on which the shim of this sandbox listens; short, because socket paths are limited. */
export function shimSocketPath(runDir: string, namespace: string, sandboxId: string): string {
  return `${runDir}/s/${sandboxKey(namespace, sandboxId)}`
}

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
