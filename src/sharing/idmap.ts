/** Idmapped mounts for an unprivileged daemon: it sees itself as root, and its files are root's on disk. */
import { closeSync, readlinkSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { closing } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'
import { type MountEntry, mountsBelow } from '../linux/mounts/mount.ts'
import {
  attachTree,
  cloneTree,
  idmapTree,
  mountAttributes,
  openLocation,
  type TreeOptions,
} from '../linux/mounts/mount-tree.ts'
import type { IdExtent } from '../linux/processes/user-namespace.ts'
import { isServed } from './answering-sources.ts'

/** The user namespace that the share's mounts are mapped for. */
export interface Idmap {
  /** Descriptor of the daemon's user namespace. */
  readonly userNamespace: number
  /** The host's uid and gid that is root in the namespace. */
  readonly first: number
  /** The namespace's id map. */
  readonly map: readonly IdExtent[]
}

/** For errors: the mounted source, and its container. */
export interface MountPurpose {
  readonly source: string
  readonly container: string
}

/**
 * A detached copy of the mount at `source` (an O_PATH descriptor), idmapped unless the daemon is root of the host. The caller closes it.
 * Its nodes are no devices: a device node in an image's layer would give the host's device to an attacker of the daemon.
 *
 * @throws KataError SHARE_NOT_IDMAPPABLE; SyscallError.
 */
export function mappedClone(
  source: number,
  idmap: Idmap | undefined,
  purpose: MountPurpose,
  options: TreeOptions = {},
): number {
  const attributes = (options.attributes ?? 0) | mountAttributes.nodev
  const tree = cloneTree(source, { ...options, attributes })
  try {
    if (idmap !== undefined) idmapTree(tree, idmap.userNamespace, options)
    return tree
  } catch (cause) {
    closeSync(tree)
    if (!(cause instanceof SyscallError)) throw cause
    const below = idmap !== undefined && options.recursive ? unmappableBelow(source, idmap) : undefined
    const what = below === undefined ? 'its file system' : `the file system ${below.type} at ${below.point}`
    throw new KataError('SHARE_NOT_IDMAPPABLE', { ...purpose, what, errno: cause.errno }, { cause })
  }
}

/** The mount below an open directory for which the whole cannot be idmapped; undefined when that is the directory's own. */
function unmappableBelow(directory: number, idmap: Idmap): MountEntry | undefined {
  if (!isMappable(directory, idmap)) return undefined
  const below = mountsBelow(readlinkSync(`/proc/self/fd/${directory}`))
  const isRefused = ({ point }: MountEntry) => {
    try {
      return !closing(openLocation(point), (fd) => isMappable(fd, idmap))
    } catch {
      // It is gone, or hidden.
      return false
    }
  }
  // One whose server is away would hold up the shim, so it is not looked at. Where no other is refused, it was one of these.
  return below.find((mount) => !isServed(mount) && isRefused(mount)) ?? below.find(isServed)
}

function isMappable(location: number, idmap: Idmap): boolean {
  try {
    closing(cloneTree(location), (tree) => idmapTree(tree, idmap.userNamespace))
    return true
  } catch (error) {
    if (error instanceof SyscallError) return false
    throw error
  }
}

/** Mounts a {@link mappedClone} on `target`. */
export function mappedBind(
  source: number,
  target: string,
  idmap: Idmap | undefined,
  purpose: MountPurpose,
  options: TreeOptions = {},
): void {
  const tree = mappedClone(source, idmap, purpose, options)
  try {
    attachTree(tree, target)
  } finally {
    closeSync(tree)
  }
}

/** Whether it is the file system that cannot be idmapped. */
export const isNotMappable = (error: unknown): boolean =>
  error instanceof KataError && error.code === 'SHARE_NOT_IDMAPPABLE'
