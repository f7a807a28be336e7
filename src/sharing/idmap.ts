/** Idmapped mounts for an unprivileged daemon: it sees itself as root, and its files are root's on disk. */
import { closeSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { SyscallError } from '../linux/libc.ts'
import {
  attachTree,
  cloneTree,
  idmapTree,
  mountAttributes,
  type TreeOptions,
} from '../linux/mounts/mount-tree.ts'
import type { IdExtent } from '../linux/processes/user-namespace.ts'

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
    throw new KataError('SHARE_NOT_IDMAPPABLE', { ...purpose, errno: cause.errno }, { cause })
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
