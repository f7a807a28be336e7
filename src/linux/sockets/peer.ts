/** Who is at the other end of a unix socket, as the kernel noted it at connect(2) or listen(2) (unix(7)). */
import { checked, lastErrno, libc, ptr, SyscallError } from '../libc.ts'

const SOL_SOCKET = 1
const SO_TYPE = 3
const SOCK_STREAM = 1
const SO_PEERCRED = 17
const SO_PEERGROUPS = 59
/** NGROUPS_MAX of the kernel. */
const mostGroups = 65_536

export interface Peer {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** Supplementary groups. */
  readonly groups: readonly number[]
}

/** Whether `fd` is a socket, and none through which bytes come one after the other. @throws SyscallError. */
export function isSocketOfMessages(fd: number): boolean {
  const type = new Int32Array(1)
  const length = new Uint32Array([type.byteLength])
  if (libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, ptr(type), ptr(length)) === 0) return type[0] !== SOCK_STREAM
  const errno = lastErrno()
  if (errno === 'ENOTSOCK') return false
  throw new SyscallError('getsockopt SO_TYPE', errno)
}

/** @throws SyscallError. */
export function peerOf(socket: number): Peer {
  const credentials = Buffer.alloc(12)
  const length = new Uint32Array([credentials.length])
  checked(
    libc.getsockopt(socket, SOL_SOCKET, SO_PEERCRED, ptr(credentials), ptr(length)),
    'getsockopt SO_PEERCRED',
  )
  return {
    pid: credentials.readInt32LE(0),
    uid: credentials.readUInt32LE(4),
    gid: credentials.readUInt32LE(8),
    groups: groupsOf(socket),
  }
}

function groupsOf(socket: number): number[] {
  for (let room = 64; room <= mostGroups; room *= 4) {
    const groups = new Uint32Array(room)
    const length = new Uint32Array([groups.byteLength])
    if (libc.getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, ptr(groups), ptr(length)) === 0)
      return [...groups.subarray(0, length[0]! / 4)]
    const errno = lastErrno()
    if (errno !== 'ERANGE') throw new SyscallError('getsockopt SO_PEERGROUPS', errno)
  }
  throw new SyscallError('getsockopt SO_PEERGROUPS', 'ERANGE')
}
