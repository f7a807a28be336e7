/** The entries of an open directory: listed piece by piece, removed and moved by name. No call looks up more than one name. */
import { dlopen } from 'bun:ffi'
import { checked, lastErrno, SyscallError } from '../libc.ts'
import { shown, terminated } from './open-at.ts'

const AT_REMOVEDIR = 0x200
const RENAME_NOREPLACE = 1
const SEEK_SET = 0
const DT_DIR = 4
const pieceBytes = 32 * 1024

let bound: ReturnType<typeof bind> | undefined

function bind() {
  return dlopen('libc.so.6', {
    getdents64: { args: ['i32', 'ptr', 'u64'], returns: 'i64' },
    unlinkat: { args: ['i32', 'ptr', 'i32'], returns: 'i32' },
    renameat: { args: ['i32', 'ptr', 'i32', 'ptr'], returns: 'i32' },
    renameat2: { args: ['i32', 'ptr', 'i32', 'ptr', 'u32'], returns: 'i32' },
    lseek: { args: ['i32', 'i64', 'i32'], returns: 'i64' },
  }).symbols
}

export interface DirectoryEntry {
  /** The bytes of the file system, which need not be UTF-8. */
  readonly name: Buffer
  /** The type, where the file system's listing has it. */
  readonly isDirectory: boolean
}

/** The next piece of the listing, without `.` and `..`; undefined at its end, and for a directory that was removed. @throws SyscallError. */
export function readEntries(directory: number): DirectoryEntry[] | undefined {
  bound ??= bind()
  const bytes = Buffer.alloc(pieceBytes)
  const result = bound.getdents64(directory, bytes, bytes.length)
  if (Number(result) === -1 && lastErrno() === 'ENOENT') return undefined
  const length = checked(result, 'getdents64')
  if (length === 0) return undefined
  const entries: DirectoryEntry[] = []
  // struct linux_dirent64: inode and offset of 8 bytes each, length of the record, type, name.
  for (let at = 0; at < length; at += bytes.readUInt16LE(at + 16)) {
    const name = bytes.subarray(at + 19, bytes.indexOf(0, at + 19))
    const text = name.toString('latin1')
    if (text !== '.' && text !== '..') entries.push({ name, isDirectory: bytes[at + 18] === DT_DIR })
  }
  return entries
}

/** Rewinds the listing. @throws SyscallError. */
export function rewind(directory: number): void {
  bound ??= bind()
  checked(bound.lseek(directory, 0, SEEK_SET), 'lseek')
}

/** The result for one name. `directory`: the name is a directory, and was left as it is. */
export type Unlinked = 'removed' | 'absent' | 'directory' | 'not empty'

/** Removes what is no directory. @throws SyscallError EPERM (an immutable file), EROFS. */
export function unlinkFile(directory: number, name: Uint8Array): Unlinked {
  return unlink(directory, name, 0, { ENOENT: 'absent', EISDIR: 'directory' })
}

/** Removes an empty directory. @throws SyscallError EBUSY where something is mounted, ENOTDIR. */
export function removeDirectory(directory: number, name: Uint8Array): Unlinked {
  return unlink(directory, name, AT_REMOVEDIR, {
    ENOENT: 'absent',
    ENOTEMPTY: 'not empty',
    EEXIST: 'not empty',
  })
}

function unlink(
  directory: number,
  name: Uint8Array,
  flags: number,
  expected: Readonly<Record<string, Unlinked>>,
): Unlinked {
  bound ??= bind()
  if (bound.unlinkat(directory, terminated(name), flags) === 0) return 'removed'
  const errno = lastErrno()
  const result = expected[errno]
  if (result === undefined) throw new SyscallError(`unlinkat of ${shown(name)}`, errno)
  return result
}

/** Moves a name from one open directory into another. @throws SyscallError EBUSY where something is mounted, EXDEV. */
export function moveEntry(from: number, name: Uint8Array, to: number, newName: Uint8Array): void {
  bound ??= bind()
  checked(bound.renameat(from, terminated(name), to, terminated(newName)), `renameat of ${shown(name)}`)
}

/** Moves a name from one open directory into another that has none like it; false: it has, and both stay. @throws SyscallError EXDEV. */
export function moveIfNew(from: number, name: Uint8Array, to: number): boolean {
  bound ??= bind()
  const text = terminated(name)
  if (bound.renameat2(from, text, to, text, RENAME_NOREPLACE) === 0) return true
  const errno = lastErrno()
  if (errno === 'EEXIST') return false
  throw new SyscallError(`renameat2 of ${shown(name)}`, errno)
}
