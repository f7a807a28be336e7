/** Sockets to the kernel's routing tables and packet filters (netlink(7)) in the network namespace of the calling thread. */
import { closeSync } from 'node:fs'
import { checked, libc, ptr } from '../libc.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const NETLINK_ROUTE = 0
const NETLINK_NETFILTER = 12
const SOL_SOCKET = 1
const SO_RCVTIMEO = 20
const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const MSG_TRUNC = 0x20

/** The kernel answers while it takes the request; it may have to wait for its own lock, seconds. */
const answerSeconds = 10
/** The kernel makes no datagram larger than 32 KiB. */
const datagramBytes = 64 * 1024

/** Has the shape of the netlink room's NetlinkSocket. */
export interface KernelSocket {
  send(message: Uint8Array): void
  /** @throws SyscallError EAGAIN when no answer comes in time. */
  receive(): Uint8Array
  close(): void
}

/** @throws SyscallError. */
export const openRouteSocket = (): KernelSocket => openSocket(NETLINK_ROUTE)

/** @throws SyscallError. */
export const openFilterSocket = (): KernelSocket => openSocket(NETLINK_NETFILTER)

function openSocket(protocol: number): KernelSocket {
  const fd = checked(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), 'socket AF_NETLINK')
  const set = (level: number, option: number, value: Uint8Array) =>
    checked(
      libc.setsockopt(fd, level, option, ptr(value), value.length),
      `setsockopt ${option} of a netlink socket`,
    )
  try {
    const timeout = new BigInt64Array([BigInt(answerSeconds), 0n])
    set(SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(timeout.buffer))
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK])
      set(SOL_NETLINK, option, Uint8Array.of(1, 0, 0, 0))
  } catch (error) {
    closeSync(fd)
    throw error
  }
  const buffer = new Uint8Array(datagramBytes)
  return {
    send: (message) => void checked(libc.send(fd, ptr(message), message.length, 0), 'send to netlink'),
    receive: () => {
      const size = checked(libc.recv(fd, ptr(buffer), buffer.length, MSG_TRUNC), 'receive from netlink')
      if (size > buffer.length) throw new Error(`a netlink datagram of ${size} bytes`)
      return buffer.slice(0, size)
    },
    close: () => closeSync(fd),
  }
}
