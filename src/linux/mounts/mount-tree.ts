/**
 * Detached mount trees: open_tree(2), mount_setattr(2) and move_mount(2). A tree gets its attributes before it is
 * visible; with mount(2) a bind is writable for a moment, and a later read-only remount does not reach the copies
 * that mount propagation has already made in other namespaces.
 */
import { closeSync, openSync } from 'node:fs'
import { checked, cstring, libc, ptr } from '../libc.ts'

// Numbers of the generic table (include/uapi/asm-generic/unistd.h); the same on every architecture since 5.2.
const SYS_open_tree = 428
const SYS_move_mount = 429
const SYS_mount_setattr = 442

const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const AT_RECURSIVE = 0x8000
const OPEN_TREE_CLONE = 1
const OPEN_TREE_CLOEXEC = 0o2000000
const MOVE_MOUNT_F_EMPTY_PATH = 4
const MOVE_MOUNT_T_EMPTY_PATH = 0x40
const O_PATH = 0o10000000
const MS_PRIVATE = 1n << 18n
const MS_SLAVE = 1n << 19n
const MOUNT_ATTR_IDMAP = 0x00100000n
const empty = cstring('')

/** Attributes of mount_setattr(2), from <linux/mount.h>. */
export const mountAttributes = { ro: 1, nosuid: 2, nodev: 4, noexec: 8 } as const

/** Opens a path as a pure location (O_PATH): what was looked at is what gets mounted. The caller closes it. */
export function openLocation(path: string): number {
  return openSync(path, O_PATH)
}

export interface TreeOptions {
  /** Includes the mounts below it. */
  readonly recursive?: boolean
  /** Bitwise or of {@link mountAttributes}, for every mount of the tree. */
  readonly attributes?: number
  /** Mounts that are made later at its origin appear in it too. Without this there is no propagation between the two. */
  readonly follow?: boolean
}

/**
 * A copy of the mount that the O_PATH descriptor `source` is in, rooted at that file or directory, as a detached
 * tree: it is visible nowhere, and no mount or unmount elsewhere reaches it. The caller attaches and closes it; closing one that
 * was not attached takes it away.
 *
 * @throws SyscallError with the errno of the failing call.
 */
export function cloneTree(source: number, options: TreeOptions = {}): number {
  const recursive = options.recursive ? AT_RECURSIVE : 0
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive
  const tree = checked(libc.syscall(SYS_open_tree, source, ptr(empty), flags, 0, 0, 0), 'open_tree')
  try {
    setAttributes(tree, recursive, {
      set: BigInt(options.attributes ?? 0),
      propagation: options.follow ? MS_SLAVE : MS_PRIVATE,
    })
    return tree
  } catch (error) {
    closeSync(tree)
    throw error
  }
}

/**
 * Shows the owners in a detached tree through the id map of a user namespace: files of id 0 on disk
 * belong to the user that is 0 in there, and files that this user makes have id 0 on disk.
 *
 * @throws SyscallError EINVAL when a file system of the tree cannot do that, EPERM when it is mapped already.
 */
export function idmapTree(tree: number, userNamespace: number, options: TreeOptions = {}): void {
  const recursive = options.recursive ? AT_RECURSIVE : 0
  setAttributes(tree, recursive, { set: MOUNT_ATTR_IDMAP, userNamespace })
}

/** Mounts a detached tree on `target`. @throws SyscallError. */
export function attachTree(tree: number, target: string): void {
  const where = cstring(target)
  checked(
    libc.syscall(SYS_move_mount, tree, ptr(empty), AT_FDCWD, ptr(where), MOVE_MOUNT_F_EMPTY_PATH, 0),
    `move_mount to ${target}`,
  )
}

/** The same, where the O_PATH descriptor `location` is. @throws SyscallError. */
export function attachTreeAt(tree: number, location: number): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
  checked(
    libc.syscall(SYS_move_mount, tree, ptr(empty), location, ptr(empty), flags, 0),
    'move_mount to an open location',
  )
}

/**
 * Shows the file or directory behind the O_PATH descriptor `source` at `target`.
 *
 * @throws SyscallError with the errno of the failing call.
 */
export function bindTree(source: number, target: string, options: TreeOptions = {}): void {
  const tree = cloneTree(source, options)
  try {
    attachTree(tree, target)
  } finally {
    closeSync(tree)
  }
}

/** struct mount_attr of <linux/mount.h>: what to set, what to clear, propagation, user namespace. */
function setAttributes(
  tree: number,
  recursive: number,
  { set, propagation = 0n, userNamespace = 0 }: { set: bigint; propagation?: bigint; userNamespace?: number },
): void {
  const attr = Buffer.alloc(32)
  attr.writeBigUInt64LE(set, 0)
  attr.writeBigUInt64LE(propagation, 16)
  attr.writeBigUInt64LE(BigInt(userNamespace), 24)
  checked(
    libc.syscall(SYS_mount_setattr, tree, ptr(empty), AT_EMPTY_PATH | recursive, ptr(attr), attr.length, 0),
    'mount_setattr',
  )
}
