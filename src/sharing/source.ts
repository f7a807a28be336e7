/** Opens the host's side of a bind once, as a pure location (O_PATH). It is checked and mounted by that descriptor. */
import { closeSync, fstatSync, type Stats } from 'node:fs'
import { KataError } from '../errors.ts'
import { openOperatorPath } from '../linux/files/operator-path.ts'
import { SyscallError } from '../linux/libc.ts'

export interface Source {
  /** O_PATH descriptor; the caller closes it. */
  readonly fd: number
  readonly kind: 'directory' | 'file'
}

/**
 * Opens `path`. The path comes from the host (containerd, the operator), so the operator's links are followed. Links that a pod may have made
 * are not.
 *
 * @throws KataError SHARE_SOURCE_MISSING; SOURCE_LINK; SHARE_SOURCE_KIND for sockets, devices and FIFOs, which mean nothing to another kernel.
 */
export function openSource(path: string, container: string): Source {
  const fd = open(path, container)
  const kind = kindOf(fstatSync(fd))
  if (kind === 'directory' || kind === 'file') return { fd, kind }
  closeSync(fd)
  throw new KataError('SHARE_SOURCE_KIND', { source: path, container, kind })
}

/** The descriptor of {@link openSource} for a directory. @throws as that one; SHARE_SOURCE_KIND for a file, too. */
export function openDirectory(path: string, container: string): number {
  const { fd, kind } = openSource(path, container)
  if (kind === 'directory') return fd
  closeSync(fd)
  throw new KataError('SHARE_SOURCE_KIND', { source: path, container, kind })
}

function open(path: string, container: string): number {
  if (!path.startsWith('/') || path.includes('\0'))
    throw new KataError('SHARE_SOURCE_MISSING', { source: path, container, reason: 'not an absolute path' })
  try {
    return openOperatorPath(path)
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException
    if (cause instanceof KataError && !(cause instanceof SyscallError)) throw cause
    const reason = cause instanceof SyscallError ? cause.errno : code
    throw new KataError('SHARE_SOURCE_MISSING', { source: path, container, reason }, { cause })
  }
}

function kindOf(stat: Stats): string {
  if (stat.isDirectory()) return 'directory'
  if (stat.isFile()) return 'file'
  if (stat.isSocket()) return 'socket'
  if (stat.isFIFO()) return 'FIFO'
  return 'device'
}
