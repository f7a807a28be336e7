/** Mounts of a share whose daemon is unprivileged: it sees itself as root, and so does what is on disk. */
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

/** Who the share's mounts are shown to. */
export interface Idmap {
  /** Descriptor of the daemon's user namespace. */
  readonly userNamespace: number
  /** The host id, user and group, that is root in it. */
  readonly first: number
  /** Its ids. */
  readonly map: readonly IdExtent[]
}

/** For the error: what is mounted, and for whom. */
export interface MountPurpose {
  readonly source: string
  readonly container: string
}

/**
 * A detached copy of what `source` (an O_PATH descriptor) names, idmapped unless the daemon is root of the host. The
 * caller closes it. No node in it is a device: one in an image's layer would be the host's to whoever takes the daemon over.
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

/** As {@link mappedClone}, and mounts it on `target`. */
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
