/** Small file helpers over the native calls. */
import { type Facts, lstat, mkdir, readlink, remove, rename } from 'os'
import { close, names, open, readFile, type SysError, umount, unlinkat, writeFile } from 'syscalls'

/** Flags of open(2) on Linux x86-64 and arm64, from <asm-generic/fcntl.h>. */
export const openFlags = {
  readOnly: 0,
  writeOnly: 0o1,
  readWrite: 0o2,
  create: 0o100,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
  nonBlock: 0o4000,
  directory: 0o200000,
  noFollow: 0o400000,
  path: 0o10000000,
} as const

/** AT_REMOVEDIR */
export const removeDirectory = 0x200

const typeMask = 0o170000
const directoryType = 0o040000

/** The errno name of a failed native call, or undefined for any other thrown value. */
export function errnoName(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? (error as SysError).code : undefined
}

/** Creates `path` and its missing parents. */
export function makeDirectories(path: string, mode = 0o755): void {
  for (let slash = path.indexOf('/', 1); slash !== -1; slash = path.indexOf('/', slash + 1))
    mkdir(path.slice(0, slash), mode)
  mkdir(path, mode)
}

export function exists(path: string): boolean {
  return lstat(path)[1] === 0
}

/** Names in a directory without `.` and `..`, sorted; empty when it cannot be read. */
export function list(path: string): string[] {
  try {
    return names(path).sort()
  } catch {
    return []
  }
}

/** Where a symbolic link leads to, or undefined when there is none. */
export function linkTarget(path: string): string | undefined {
  const [target, error] = readlink(path)
  return error === 0 ? target : undefined
}

/** The text of a file, or undefined when it cannot be read (a process or a cgroup that is gone). */
export function readIfThere(path: string): string | undefined {
  try {
    return readFile(path)
  } catch {
    return undefined
  }
}

/** Writes to an existing file of /proc, /sys or a cgroup. */
export function set(path: string, value: string): void {
  writeFile(path, value, 0, 0)
}

/** Creates or replaces a plain file. */
export function save(path: string, text: string, mode = 0o600): void {
  writeFile(path, text, openFlags.create | openFlags.truncate, mode)
}

export function isDirectory({ mode }: Facts): boolean {
  return (mode & typeMask) === directoryType
}

/** Most characters of a path in {@link removeTree}, each of three bytes at most. The kernel takes 4096 bytes, with a name of 255 at the end. */
const longestPath = 1000

/** Removes a tree of any depth; symbolic links are removed, not followed. What is mounted below is detached, not emptied. */
export function removeTree(path: string): void {
  const [facts, error] = lstat(path)
  if (error !== 0) return
  if (isDirectory(facts)) {
    detach(path)
    // Until nothing of what was deep is at the top.
    while (empty(path, path));
  }
  remove(path)
}

/**
 * By native calls, which find names that are no UTF-8. What cannot be removed stays. A directory too deep for a path is moved to the top of the
 * tree. Whether one was.
 */
function empty(path: string, top: string): boolean {
  let directory: number
  try {
    directory = open(path, openFlags.directory | openFlags.noFollow, 0)
  } catch {
    return false
  }
  let hasMoved = false
  for (const name of list(path))
    if (!unlink(directory, name, 0)) {
      const below = `${path}/${name}`
      detach(below)
      if (below.length > longestPath) hasMoved = rename(below, `${top}/${Math.random()}`) === 0 || hasMoved
      else hasMoved = empty(below, top) || hasMoved
      unlink(directory, name, removeDirectory)
    }
  close(directory)
  return hasMoved
}

/** Removes a directory; false when it could not be removed, for one as something is in it. */
export function removeIfEmpty(path: string): boolean {
  const cut = path.lastIndexOf('/')
  let parent: number
  try {
    parent = open(path.slice(0, cut), openFlags.directory, 0)
  } catch {
    return false
  }
  const isRemoved = unlink(parent, path.slice(cut + 1), removeDirectory)
  close(parent)
  return isRemoved
}

/** False when it could not be removed. */
function unlink(directory: number, name: string, flags: number): boolean {
  try {
    unlinkat(directory, name, flags)
    return true
  } catch {
    return false
  }
}

/** Detaches whatever is mounted on `path` (MNT_DETACH | UMOUNT_NOFOLLOW); nothing when nothing is. */
export function detach(path: string): void {
  for (;;) {
    try {
      umount(path, 2 | 8)
    } catch {
      return
    }
  }
}
