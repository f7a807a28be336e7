/**
 * Unix sockets as descriptors: bound, listening or connected before any other program runs, so that they can be
 * handed over instead of opened by path.
 */
import { chmodSync, closeSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { checked, lastErrno, libc, ptr } from '../libc.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000
const SOCK_NONBLOCK = 0o4000
/** sun_path holds 108 bytes with the final NUL (unix(7)); the rule of the house keeps paths under 100. */
export const maxSocketPath = 100

function address(path: string): Buffer {
  const bytes = Buffer.from(path)
  if (bytes.length > maxSocketPath)
    throw new KataError('SOCKET_PATH_TOO_LONG', { path, length: bytes.length, limit: maxSocketPath })
  const buffer = Buffer.alloc(2 + bytes.length + 1)
  buffer.writeUInt16LE(AF_UNIX, 0)
  bytes.copy(buffer, 2)
  return buffer
}

/** A new socket put to use by `use`, and closed again when that fails. */
function newSocket(use: (fd: number) => void): number {
  const fd = checked(libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'socket AF_UNIX')
  try {
    use(fd)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/**
 * Binds and listens on `path` and returns the listening descriptor (close-on-exec; a spawn that names it as stdio
 * passes it on). The file gets mode 0600 before anything can connect to it.
 *
 * @throws SyscallError EADDRINUSE if the path exists. @throws KataError SOCKET_PATH_TOO_LONG.
 */
export function listenUnix(path: string, backlog = 16): number {
  const name = address(path)
  return newSocket((fd) => {
    checked(libc.bind(fd, ptr(name), name.length), `bind ${path}`)
    chmodSync(path, 0o600)
    checked(libc.listen(fd, backlog), `listen ${path}`)
  })
}

/** Connects to `path` and returns the connected, blocking descriptor; waits while too many others do. @throws SyscallError ENOENT, ECONNREFUSED. */
export function connectUnix(path: string): number {
  const name = address(path)
  return newSocket((fd) => {
    checked(libc.connect(fd, ptr(name), name.length), `connect ${path}`)
  })
}

/** Two connected descriptors; each sees the other's end when that is closed everywhere. */
export function socketPair(): [number, number] {
  const fds = new Int32Array(2)
  checked(libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ptr(fds)), 'socketpair AF_UNIX')
  return [fds[0]!, fds[1]!]
}

/** Whether a process listens on `path`, even one that takes no connection. A socket file that a crash left does not answer. */
export function isListening(path: string): boolean {
  if (Buffer.byteLength(path) > maxSocketPath) return false
  const name = address(path)
  const fd = checked(libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 'socket AF_UNIX')
  try {
    // EAGAIN: so many wait already that this one would have to.
    return libc.connect(fd, ptr(name), name.length) === 0 || lastErrno() === 'EAGAIN'
  } finally {
    closeSync(fd)
  }
}
