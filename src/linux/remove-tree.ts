/**
 * Removes a directory tree that another user could write to. Every step goes through an open directory
 * (/proc/self/fd/N/name is openat(2) for a runtime without it), so that no swapped symlink leads elsewhere, and it
 * stops at other file systems.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs'
import { SyscallError } from './libc.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants

/**
 * Does nothing when `path` does not exist.
 *
 * @throws SyscallError EXDEV at a directory of another file system, ENOTDIR when `path` is not a directory itself.
 */
export function removeTree(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return
  emptyDirectory(path)
  rmdirSync(path)
}

function emptyDirectory(path: string, device?: number): void {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    const { dev } = fstatSync(fd)
    if (device !== undefined && dev !== device)
      throw new SyscallError(`removing ${path}`, 'EXDEV', 'another file system is mounted there.')
    for (const name of readdirSync(`/proc/self/fd/${fd}`)) {
      const entry = `/proc/self/fd/${fd}/${name}`
      if (!lstatSync(entry).isDirectory()) unlinkSync(entry)
      else {
        emptyDirectory(entry, dev)
        rmdirSync(entry)
      }
    }
  } finally {
    closeSync(fd)
  }
}
