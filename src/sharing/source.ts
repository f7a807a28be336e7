/** The host side of a bind: opened once as a pure location, looked at, and then mounted by that descriptor. */
import { closeSync, fstatSync, type Stats } from 'node:fs'
import { KataError } from '../errors.ts'
import { openLocation } from '../linux/mount-tree.ts'

export interface Source {
  /** O_PATH descriptor; the caller closes it. */
  readonly fd: number
  readonly kind: 'directory' | 'file'
}

/**
 * Opens what `path` names, following symlinks: the path comes from the host's side (containerd, the operator).
 *
 * @throws KataError SHARE_SOURCE_MISSING; SHARE_SOURCE_KIND for sockets, devices and FIFOs, which mean nothing to
 * another kernel.
 */
export function openSource(path: string, container: string): Source {
  const fd = open(path, container)
  const kind = kindOf(fstatSync(fd))
  if (kind === 'directory' || kind === 'file') return { fd, kind }
  closeSync(fd)
  throw new KataError('SHARE_SOURCE_KIND', { source: path, container, kind })
}

function open(path: string, container: string): number {
  if (!path.startsWith('/') || path.includes('\0'))
    throw new KataError('SHARE_SOURCE_MISSING', { source: path, container, reason: 'not an absolute path' })
  try {
    return openLocation(path)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
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
