/** Tap devices (Documentation/networking/tuntap.rst): the other end of a network interface, as a descriptor. */
import { closeSync, constants, openSync } from 'node:fs'
import { checked, cstring, lastErrno, libc, ptr, SyscallError } from '../libc.ts'

export const tunDevice = '/dev/net/tun'

const TUNSETIFF = 0x400454ca
const TUNSETPERSIST = 0x400454cb
const TUNSETOWNER = 0x400454cc
/** IFF_TAP, IFF_NO_PI (frames alone), IFF_VNET_HDR (before each the header of virtio-net: checksums, segments). */
const kind = 0x0002 | 0x1000 | 0x4000
const IFF_MULTI_QUEUE = 0x0100
/** The name must be new. */
const IFF_TUN_EXCL = 0x8000
/** struct ifreq: the name, 16 bytes with the final NUL, and u16 flags. */
const ifreqBytes = 40
const nameBytes = 16

/**
 * Makes the tap `name` in the network namespace of the calling thread and returns a descriptor for each of its queues.
 * It goes away by itself when the last of them is closed everywhere.
 *
 * @throws ENOENT when the kernel has no tun driver. @throws SyscallError EBUSY when the name is taken.
 */
export function openTap(name: string, queues: number): number[] {
  const fds: number[] = []
  try {
    for (let queue = 0; queue < queues; queue++) {
      const fd = openSync(tunDevice, constants.O_RDWR | constants.O_NONBLOCK)
      fds.push(fd)
      attachQueue(fd, name, (queues > 1 ? IFF_MULTI_QUEUE : 0) | (queue === 0 ? IFF_TUN_EXCL : 0))
    }
    return fds
  } catch (error) {
    for (const fd of fds) closeSync(fd)
    throw error
  }
}

function attachQueue(fd: number, name: string, flags: number): void {
  const request = Buffer.alloc(ifreqBytes)
  const text = cstring(name)
  if (text.length > nameBytes) throw new SyscallError(`TUNSETIFF ${name}`, 'ENAMETOOLONG')
  text.copy(request)
  request.writeUInt16LE(kind | flags, nameBytes)
  if (libc.ioctl(fd, TUNSETIFF, ptr(request)) === -1) throw new SyscallError(`TUNSETIFF ${name}`, lastErrno())
}

/**
 * Keeps a tap when its descriptors are closed; only this user can open it by its name. The caller has to delete it later.
 *
 * @throws SyscallError.
 */
export function keepTap(fd: number, owner: number): void {
  for (const [request, value] of [
    [TUNSETOWNER, owner],
    [TUNSETPERSIST, 1],
  ] as const) {
    const [SYS_ioctl] = [16]
    checked(libc.syscall(SYS_ioctl, fd, request, value, 0, 0, 0), `ioctl of a tap for user ${owner}`)
  }
}
