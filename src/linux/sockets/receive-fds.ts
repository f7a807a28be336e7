/** Descriptors that come over a connected unix socket: recvmsg(2) with SCM_RIGHTS (unix(7)). The counterpart of send-fds.ts. */
import { closeSync } from 'node:fs'
import { lastErrno, libc, ptr, SyscallError } from '../libc.ts'

const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const SO_RCVTIMEO = 20
const SO_SNDTIMEO = 21
const MSG_CTRUNC = 8
const MSG_CMSG_CLOEXEC = 0x40000000
/** struct cmsghdr on 64-bit Linux: length (8), level (4), type (4). */
const headerBytes = 16

export interface Received {
  /** Empty when the peer has closed its end. */
  readonly bytes: Uint8Array
  /** Close-on-exec; the caller closes them. */
  readonly fds: readonly number[]
}

/**
 * Waits for bytes and takes at most `maxBytes` of them, with at most `maxFds` descriptors. When the peer sent more descriptors
 * than that, none is kept.
 *
 * @throws SyscallError EMSGSIZE for too many descriptors; EAGAIN when the time of {@link setTimeouts} is over; ECONNRESET.
 */
export function receiveFds(socket: number, maxBytes: number, maxFds: number): Received {
  const bytes = Buffer.alloc(maxBytes)
  const control = Buffer.alloc(headerBytes + Math.ceil((4 * Math.max(maxFds, 1)) / 8) * 8)
  const iovec = Buffer.alloc(16)
  iovec.writeBigUInt64LE(BigInt(ptr(bytes)), 0)
  iovec.writeBigUInt64LE(BigInt(maxBytes), 8)
  // struct msghdr: name, namelen, iov, iovlen, control, controllen, flags.
  const message = Buffer.alloc(56)
  message.writeBigUInt64LE(BigInt(ptr(iovec)), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(BigInt(ptr(control)), 32)
  message.writeBigUInt64LE(BigInt(control.length), 40)
  const size = receive(socket, message)
  const fds = descriptorsIn(control.subarray(0, Number(message.readBigUInt64LE(40))))
  const isCut = (message.readInt32LE(48) & MSG_CTRUNC) !== 0
  if (isCut || fds.length > maxFds) {
    for (const fd of fds) closeSync(fd)
    throw new SyscallError(`recvmsg of at most ${maxFds} descriptors`, 'EMSGSIZE')
  }
  return { bytes: bytes.subarray(0, size), fds }
}

function receive(socket: number, message: Buffer): number {
  for (;;) {
    const size = Number(libc.recvmsg(socket, ptr(message), MSG_CMSG_CLOEXEC))
    if (size !== -1) return size
    const errno = lastErrno()
    if (errno !== 'EINTR') throw new SyscallError('recvmsg', errno)
  }
}

function descriptorsIn(control: Buffer): number[] {
  const fds: number[] = []
  for (let at = 0; at + headerBytes <= control.length; ) {
    const length = Number(control.readBigUInt64LE(at))
    if (length < headerBytes) break
    const isRights = control.readInt32LE(at + 8) === SOL_SOCKET && control.readInt32LE(at + 12) === SCM_RIGHTS
    const end = Math.min(at + length, control.length)
    for (let each = at + headerBytes; isRights && each + 4 <= end; each += 4)
      fds.push(control.readInt32LE(each))
    at += Math.ceil(length / 8) * 8
  }
  return fds
}

/** How long a blocking call may wait for the peer, milliseconds. @throws SyscallError. */
export function setTimeouts(socket: number, ms: number): void {
  const time = Buffer.alloc(16)
  const most = Math.max(Math.ceil(ms), 1)
  time.writeBigInt64LE(BigInt(Math.floor(most / 1000)), 0)
  time.writeBigInt64LE(BigInt((most % 1000) * 1000), 8)
  for (const option of [SO_RCVTIMEO, SO_SNDTIMEO])
    if (libc.setsockopt(socket, SOL_SOCKET, option, ptr(time), time.length) === -1)
      throw new SyscallError('setsockopt SO_RCVTIMEO', lastErrno())
}
