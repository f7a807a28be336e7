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

/** The mounted source and its container, for errors. */
export interface MountPurpose {
  readonly source: string
  readonly container: string
}

/**
 * Returns a detached copy of the mount at `source` (an O_PATH descriptor), idmapped unless the daemon is root of the host. The caller closes it.
 * The copy has no usable device nodes: a node in an image's layer would give the host's device to an attacker who controls the daemon.
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

/** Finds the mount below an open directory that cannot be idmapped. Undefined if the directory's own mount cannot be. */
function unmappableBelow(directory: number, idmap: Idmap): MountEntry | undefined {
  if (!isMappable(directory, idmap)) return undefined
  const below = mountsBelow(readlinkSync(`/proc/self/fd/${directory}`))
  const isRefused = ({ point }: MountEntry) => {
    try {
      return !closing(openLocation(point), (fd) => isMappable(fd, idmap))
    } catch {
      // The mount is gone, or hidden.
      return false
    }
  }
  // A mount whose server is away would block the shim, so it is not tried. If no other mount was refused, it was one of these.
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

/** Whether the error says that the file system cannot be idmapped. */
export const isNotMappable = (error: unknown): boolean =>
  error instanceof KataError && error.code === 'SHARE_NOT_IDMAPPABLE'
