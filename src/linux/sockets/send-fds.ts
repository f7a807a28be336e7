/** Descriptors over a connected Unix socket: sendmsg(2) with SCM_RIGHTS (unix(7)). */

import { sleep } from '../../time.ts'
import { lastErrno, libc, ptr, SyscallError } from '../libc.ts'

const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
/** struct cmsghdr on 64-bit Linux: length (8), level (4), type (4). */
const headerBytes = 16

/**
 * Sends `bytes` with `fds` attached to the first of them and returns how many bytes the kernel took: 0 when the
 * socket is full and nothing, no descriptor either, was sent. The receiver gets copies; the caller keeps its own.
 *
 * @throws SyscallError EPIPE when the peer is gone, EBADF when one of `fds` is not open.
 */
export function sendFds(socket: number, bytes: Uint8Array, fds: readonly number[]): number {
  const control = Buffer.alloc(headerBytes + Math.ceil((4 * fds.length) / 8) * 8)
  control.writeBigUInt64LE(BigInt(headerBytes + 4 * fds.length), 0)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  for (const [index, fd] of fds.entries()) control.writeInt32LE(fd, headerBytes + 4 * index)

  const iovec = Buffer.alloc(16)
  iovec.writeBigUInt64LE(BigInt(ptr(bytes)), 0)
  iovec.writeBigUInt64LE(BigInt(bytes.length), 8)

  // struct msghdr: name, namelen, iov, iovlen, control, controllen, flags.
  const message = Buffer.alloc(56)
  message.writeBigUInt64LE(BigInt(ptr(iovec)), 16)
  message.writeBigUInt64LE(1n, 24)
  if (fds.length > 0) {
    message.writeBigUInt64LE(BigInt(ptr(control)), 32)
    message.writeBigUInt64LE(BigInt(control.length), 40)
  }
  const sent = Number(libc.sendmsg(socket, ptr(message), MSG_DONTWAIT | MSG_NOSIGNAL))
  if (sent !== -1) return sent
  const errno = lastErrno()
  if (errno === 'EAGAIN') return 0
  throw new SyscallError(`sendmsg of ${fds.length} descriptors`, errno)
}

/**
 * Sends all of `bytes`, with `fds` attached to the first of them, waiting while the socket is full, until `givenUp`.
 *
 * @throws SyscallError as {@link sendFds}.
 */
export async function sendAll(
  socket: number,
  bytes: Uint8Array,
  fds: readonly number[],
  givenUp: () => boolean,
): Promise<void> {
  for (let at = 0; at < bytes.length && !givenUp(); ) {
    const size = sendFds(socket, bytes.subarray(at), at === 0 ? fds : [])
    at += size
    // Full only if the peer does not read. Half a message must be followed by its rest, so this ends with the connection.
    if (size === 0) await sleep(5)
  }
}
