/** AF_VSOCK (vsock(7)): sockets between this host and its virtual machines, whose addresses are numbers. */
import { closeSync, constants } from 'node:fs'
import { checked, errnoName, lastErrno, libc, ptr, SyscallError } from '../libc.ts'

const AF_VSOCK = 40
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000
const SOCK_NONBLOCK = constants.O_NONBLOCK
const SOL_SOCKET = 1
const SO_ERROR = 4
/** struct sockaddr_vm of <linux/vm_sockets.h>. */
const addressBytes = 16
const VHOST_VSOCK_SET_GUEST_CID = 0x4008af60
/** The first free address: 0 to 2 are the hypervisor, the machine itself and the host. */
export const firstGuestCid = 3

/**
 * Gives the descriptor of /dev/vhost-vsock an address that no other machine of this host has, for as long as it is open: the
 * first that is free of those that `candidates` yields.
 *
 * @throws SyscallError EADDRINUSE when none is free; ENOTTY for another device.
 */
export function claimCid(vhost: number, candidates: Iterable<number>): number {
  let errno = 'EADDRINUSE'
  for (const cid of candidates) {
    const argument = new BigUint64Array([BigInt(cid)])
    if (libc.ioctl(vhost, VHOST_VSOCK_SET_GUEST_CID, ptr(argument)) === 0) return cid
    errno = lastErrno()
    if (errno !== 'EADDRINUSE') break
  }
  throw new SyscallError('ioctl VHOST_VSOCK_SET_GUEST_CID', errno)
}

/**
 * Begins to connect to a port of a machine and returns the descriptor, which does not block; {@link connectionState} tells how
 * it ends.
 *
 * @throws SyscallError EAFNOSUPPORT, ENODEV when the host has no vsock.
 */
export function beginConnect(cid: number, port: number): number {
  const fd = checked(libc.socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 'socket AF_VSOCK')
  const address = Buffer.alloc(addressBytes)
  address.writeUInt16LE(AF_VSOCK, 0)
  address.writeUInt32LE(port, 4)
  address.writeUInt32LE(cid, 8)
  if (libc.connect(fd, ptr(address), addressBytes) === 0) return fd
  const errno = lastErrno()
  if (errno === 'EINPROGRESS') return fd
  closeSync(fd)
  throw new SyscallError(`connect vsock ${cid}:${port}`, errno)
}

/** @throws SyscallError ECONNRESET when nothing listens, ETIMEDOUT when no machine answers. */
export function connectionState(fd: number): 'connecting' | 'connected' {
  const address = Buffer.alloc(addressBytes)
  const length = new Uint32Array([addressBytes])
  if (libc.getpeername(fd, ptr(address), ptr(length)) === 0) return 'connected'
  const status = new Int32Array(1)
  const statusLength = new Uint32Array([4])
  checked(libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, ptr(status), ptr(statusLength)), 'getsockopt SO_ERROR')
  if (status[0] === 0) return 'connecting'
  throw new SyscallError('connect vsock', errnoName(status[0]!))
}
