/**
 * Detached mount trees: open_tree(2), mount_setattr(2) and move_mount(2). A tree gets its attributes before anybody
 * sees it; with mount(2) a bind is writable for a moment, and a later read-only remount does not reach the copies
 * that mount propagation has already made in other namespaces.
 */
import { closeSync, openSync } from 'node:fs'
import { checked, cstring, libc, ptr } from './libc.ts'

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
const O_PATH = 0o10000000
const MS_PRIVATE = 1n << 18n
const MS_SLAVE = 1n << 19n

/** Attributes of mount_setattr(2), from <linux/mount.h>. */
export const mountAttributes = { ro: 1, nosuid: 2, nodev: 4, noexec: 8 } as const

/** Opens a path as a pure location (O_PATH): what was looked at is what gets mounted. The caller closes it. */
export function openLocation(path: string): number {
  return openSync(path, O_PATH)
}

/**
 * Shows the file or directory behind the O_PATH descriptor `source` at `target`, with `attributes` (bitwise or of
 * {@link mountAttributes}) on every mount of the tree. It is private (no propagation with where it came from), or with
 * `follow` a slave: what is mounted there later appears here too.
 *
 * @throws SyscallError with the errno of the failing call.
 */
export function bindTree(
  source: number,
  target: string,
  options: { recursive?: boolean; attributes?: number; follow?: boolean } = {},
): void {
  const recursive = options.recursive ? AT_RECURSIVE : 0
  const empty = cstring('')
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive
  const tree = checked(
    libc.syscall(SYS_open_tree, source, ptr(empty), flags, 0, 0, 0),
    `open_tree for ${target}`,
  )
  try {
    const attr = Buffer.alloc(32)
    attr.writeBigUInt64LE(BigInt(options.attributes ?? 0), 0)
    attr.writeBigUInt64LE(options.follow ? MS_SLAVE : MS_PRIVATE, 16)
    checked(
      libc.syscall(SYS_mount_setattr, tree, ptr(empty), AT_EMPTY_PATH | recursive, ptr(attr), attr.length, 0),
      `mount_setattr for ${target}`,
    )
    const where = cstring(target)
    checked(
      libc.syscall(SYS_move_mount, tree, ptr(empty), AT_FDCWD, ptr(where), MOVE_MOUNT_F_EMPTY_PATH, 0),
      `move_mount to ${target}`,
    )
  } finally {
    closeSync(tree)
  }
}
