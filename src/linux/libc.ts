/**
 * The one place that binds libc. Everything here is synchronous and runs on the calling thread; a wrapper reads
 * errno right after the call (bun:ffi keeps it stable until the next FFI call).
 */
import { dlopen, type Pointer, ptr, read } from 'bun:ffi'
import { constants } from 'node:os'
import { KataError } from '../errors.ts'

const { symbols } = dlopen('libc.so.6', {
  __errno_location: { args: [], returns: 'ptr' },
  mount: { args: ['cstring', 'cstring', 'cstring', 'u64', 'cstring'], returns: 'i32' },
  umount2: { args: ['cstring', 'i32'], returns: 'i32' },
  setns: { args: ['i32', 'i32'], returns: 'i32' },
  ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  unshare: { args: ['i32'], returns: 'i32' },
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  socketpair: { args: ['i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  listen: { args: ['i32', 'i32'], returns: 'i32' },
  connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  getpeername: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
  getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
  send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
  recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
  setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
  sendmsg: { args: ['i32', 'ptr', 'i32'], returns: 'i64' },
  recvmsg: { args: ['i32', 'ptr', 'i32'], returns: 'i64' },
  accept4: { args: ['i32', 'ptr', 'ptr', 'i32'], returns: 'i32' },
  dup2: { args: ['i32', 'i32'], returns: 'i32' },
  fcntl: { args: ['i32', 'i32', 'i64'], returns: 'i32' },
  flock: { args: ['i32', 'i32'], returns: 'i32' },
  kill: { args: ['i32', 'i32'], returns: 'i32' },
  malloc_trim: { args: ['u64'], returns: 'i32' },
  prctl: { args: ['i32', 'u64', 'u64', 'u64', 'u64'], returns: 'i32' },
  syscall: { args: ['i64', 'i64', 'i64', 'i64', 'i64', 'i64', 'i64'], returns: 'i64' },
})

export const libc = symbols

/** The errno of the last libc call on this thread, as its name (`EACCES`). */
export function lastErrno(): string {
  const location = symbols.__errno_location() as Pointer
  return errnoName(read.i32(location, 0))
}

/** `EACCES` for its number. EAGAIN and EWOULDBLOCK are one number; manual pages use the former. */
export function errnoName(value: number): string {
  const found = Object.entries(constants.errno).find(
    ([name, number]) => number === value && name !== 'EWOULDBLOCK',
  )
  return found?.[0] ?? `errno ${value}`
}

/** A failed system call: `errno` is the name, so that callers can tell EEXIST from EACCES. */
export class SyscallError extends KataError<'SYSCALL_FAILED'> {
  readonly errno: string
  constructor(call: string, errno: string, hint = 'it should not fail on a supported host.') {
    super('SYSCALL_FAILED', { call, errno, hint })
    this.errno = errno
  }
}

/** Returns `result`, or throws {@link SyscallError} if it is -1. `call` says what was tried, with its main argument. */
export function checked(result: number | bigint, call: string): number {
  if (Number(result) === -1) throw new SyscallError(call, lastErrno())
  return Number(result)
}

/** A NUL-terminated copy of `text` for a libc `const char *`. */
export function cstring(text: string): Buffer {
  if (text.includes('\0'))
    throw new KataError('SYSCALL_FAILED', {
      call: 'string argument',
      errno: 'EINVAL',
      hint: 'a path may not hold a NUL byte.',
    })
  return Buffer.from(`${text}\0`)
}

export { ptr }
