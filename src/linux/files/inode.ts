/** Inodes that node:fs cannot make: extended attributes (xattr(7)) and overlay's whiteouts. */
import { dlopen, ptr } from 'bun:ffi'
import { chmodSync, lchownSync, rmSync } from 'node:fs'
import { checked, cstring, lastErrno, SyscallError } from '../libc.ts'

const S_IFCHR = 0o020000
const S_IFBLK = 0o060000

let bound: ReturnType<typeof bind> | undefined

function bind() {
  return dlopen('libc.so.6', {
    lsetxattr: { args: ['cstring', 'cstring', 'ptr', 'u64', 'i32'], returns: 'i32' },
    flistxattr: { args: ['i32', 'ptr', 'u64'], returns: 'i64' },
    fgetxattr: { args: ['i32', 'cstring', 'ptr', 'u64'], returns: 'i64' },
    lgetxattr: { args: ['cstring', 'cstring', 'ptr', 'u64'], returns: 'i64' },
    mknod: { args: ['cstring', 'u32', 'u64'], returns: 'i32' },
  }).symbols
}

/** Sets an extended attribute; does not follow a symlink. @throws SyscallError ENOTSUP, EPERM, ENOSPC. */
export function setXattr(path: string, name: string, value: Uint8Array): void {
  bound ??= bind()
  // An empty array has no address to give to the kernel.
  const bytes = value.length === 0 ? Buffer.alloc(1) : Buffer.from(value)
  checked(
    bound.lsetxattr(cstring(path), cstring(name), ptr(bytes), value.length, 0),
    `lsetxattr ${name} on ${path}`,
  )
}

/** Reads an extended attribute of at most 64 KiB; does not follow a symlink. @throws SyscallError ENODATA, ENOENT. */
export function getXattr(path: string, name: string): Buffer {
  bound ??= bind()
  const bytes = Buffer.alloc(65536)
  const length = bound.lgetxattr(cstring(path), cstring(name), ptr(bytes), bytes.length)
  return bytes.subarray(0, checked(length, `lgetxattr ${name} of ${path}`))
}

/** Limit for the names and values of one file: a guest may make any number, and a tar's extended header has room for so much. */
const mostXattrBytes = 512 << 10

/** The capabilities of an open file, and the attributes that users gave it. @throws SyscallError: E2BIG when that is more than `most` bytes. */
export function xattrsOf(fd: number, most = mostXattrBytes): Map<string, Buffer> {
  bound ??= bind()
  const names = Buffer.alloc(65536)
  const length = bound.flistxattr(fd, ptr(names), names.length)
  if (Number(length) < 0 && ['ENOTSUP', 'EOPNOTSUPP'].includes(lastErrno())) return new Map()
  const kept = names
    .toString('utf8', 0, checked(length, 'flistxattr'))
    .split('\0')
    .filter((name) => name === 'security.capability' || name.startsWith('user.'))
  const value = Buffer.alloc(65536)
  let bytes = 0
  return new Map(
    kept.map((name) => {
      const size = checked(bound!.fgetxattr(fd, cstring(name), ptr(value), value.length), `fgetxattr ${name}`)
      bytes += name.length + size
      if (bytes > most)
        throw new SyscallError('reading extended attributes', 'E2BIG', `they take more than ${most} bytes.`)
      return [name, Buffer.from(value.subarray(0, size))]
    }),
  )
}

export interface Node {
  readonly type: 'block' | 'character'
  /** `rdev` of stat(2). */
  readonly device: number
  readonly uid: number
  readonly mode: number
}

/** Makes a device node of a user's and its own group's, with exactly this mode. @throws SyscallError EEXIST, EPERM. */
export function makeNode(path: string, { type, device, uid, mode }: Node): void {
  bound ??= bind()
  const kind = type === 'block' ? S_IFBLK : S_IFCHR
  checked(bound.mknod(cstring(path), kind, BigInt(device)), `mknod ${path}`)
  try {
    lchownSync(path, uid, uid)
    chmodSync(path, mode)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
}

/** Makes the character device 0:0, with which an overlay layer hides a name of the layers below. @throws SyscallError. */
export function makeWhiteout(path: string): void {
  bound ??= bind()
  checked(bound.mknod(cstring(path), S_IFCHR, 0), `mknod ${path}`)
}
