/** mount(2) and umount2(2), and the mount table of a process. */
import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { checked, cstring, libc } from '../libc.ts'

/** Flags of mount(2), from <sys/mount.h>. */
export const mountFlags = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  bind: 4096,
  rec: 16384,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const

export interface MountCall {
  readonly source: string
  readonly target: string
  /** File system type; empty for binds, remounts and propagation changes. */
  readonly type?: string
  /** Bitwise or of {@link mountFlags}. */
  readonly flags?: number
  /** File-system-specific options, for instance `lowerdir=...`. */
  readonly data?: string
}

/** @throws SyscallError with the errno of mount(2). */
export function mount({ source, target, type = '', flags = 0, data = '' }: MountCall): void {
  const result = libc.mount(
    cstring(source),
    cstring(target),
    cstring(type),
    flags,
    data === '' ? null : cstring(data),
  )
  checked(result, `mount ${type || 'bind'} on ${target}`)
}

/** Makes `target` show `source`, optionally recursive and read-only (a second, remounting call, as the kernel wants it). */
export function bindMount(
  source: string,
  target: string,
  options: { recursive?: boolean; flags?: number } = {},
): void {
  const { recursive = false, flags = 0 } = options
  const rec = recursive ? mountFlags.rec : 0
  mount({ source, target, flags: mountFlags.bind | rec })
  if (flags !== 0) mount({ source: 'none', target, flags: mountFlags.bind | mountFlags.remount | flags })
}

/** Detaches what is mounted on `target` and does not follow a symlink there (MNT_DETACH | UMOUNT_NOFOLLOW). */
export function unmount(target: string): void {
  checked(libc.umount2(cstring(target), 2 | 8), `umount ${target}`)
}

/** One line of a mount table. */
export interface MountEntry {
  /** Unique while it is mounted. */
  readonly id: string
  /** The directory of the file system that is shown here. */
  readonly root: string
  readonly point: string
  /** Flags of this mount: `ro`, `nosuid`, `relatime`. */
  readonly flags: readonly string[]
  /** The type of the file system: `overlay`. */
  readonly type: string
  /** Options of the file system, octal escapes included: a comma that is part of one is escaped. */
  readonly options: string
}

/** The mount table of `pid` (default: our own), oldest first, with octal escapes decoded. */
export function mountEntries(pid: number | 'self' = 'self'): MountEntry[] {
  return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [ofMount, ofFileSystem] = halvesOf(line)
      const [id = '', , , root = '', point = '', flags = ''] = ofMount.split(' ')
      const [type = '', , options = ''] = ofFileSystem.split(' ')
      return {
        id,
        root: unescapeMountPath(root),
        point: unescapeMountPath(point),
        flags: flags.split(','),
        type: unescapeMountPath(type),
        options,
      }
    })
}

/** A line of mountinfo: fields of the mount, in varying number, end with a dash of its own. The source of the file system may be one, too. */
export function halvesOf(line: string): [ofMount: string, ofFileSystem: string] {
  const [ofMount = '', ...ofFileSystem] = line.split(' - ')
  return [ofMount, ofFileSystem.join(' - ')]
}

/** What is mounted below `directory`, a path without links, oldest first. */
export function mountsBelow(directory: string): MountEntry[] {
  const inside = directory.replace(/\/*$/, '/')
  return mountEntries().filter(({ point }) => point !== '/' && point.startsWith(inside))
}

/** The mount that an open file or directory lies on; undefined when this process does not see it. */
export function mountOf(fd: number): MountEntry | undefined {
  const mount = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
  return mountEntries().find(({ id }) => id === mount)
}

/** Mount points of `pid` (default: ourselves), oldest first. */
export function mountPoints(pid: number | 'self' = 'self'): string[] {
  return mountEntries(pid).map(({ point }) => point)
}

/** mountinfo writes space, tab, newline and backslash as three octal digits (proc_pid_mountinfo(5)). */
export function unescapeMountPath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

/** Detaches every mount at or below `directory`, newest first, so that removing the tree can never reach foreign files. */
export function unmountBelow(directory: string): void {
  const real = withRealParent(directory)
  const below = mountPoints().filter((point) => point === real || point.startsWith(`${real}/`))
  for (const point of below.reverse()) {
    try {
      unmount(point)
    } catch (error) {
      // One that was moved below a newer one has gone with that, and the host may unmount its own at any time.
      if (mountPoints().includes(point)) throw error
    }
  }
}

/** The mount table has no links on the way. The last name is never followed. */
function withRealParent(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path))
  } catch (error) {
    // Where nothing is, nothing is mounted.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return path
    throw error
  }
}
