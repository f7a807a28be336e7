/** Tells when the packet filter (nf_tables) of a network namespace changes, by the kernel's own notifications (netlink(7)). */
import { closeSync } from 'node:fs'
import { checked, libc, ptr } from '../libc.ts'
import { instruction } from '../processes/bpf.ts'
import { adoptSocket } from '../sockets/adopt-socket.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_FLAGS = 0o2000000 | 0o4000
const NETLINK_NETFILTER = 12
const SOL_SOCKET = 1
const SO_ATTACH_FILTER = 26
/** NFNLGRP_NFTABLES is group 7. */
const nftables = 1 << 6

const LD_H_ABS = 0x28
const JMP_JEQ_K = 0x15
const RET_K = 0x06
/** NFNL_SUBSYS_NFTABLES and NFT_MSG_NEWGEN, as a program for packets reads a number of this processor's. */
const newGeneration = 0x0f0a
const typeAt = 4

/**
 * The one message that this socket takes of all that the kernel tells, a short one that ends each transaction: ten thousand rules that are
 * loaded at once do not fill it.
 */
const generationsOnly = (): Buffer =>
  Buffer.concat([
    instruction(LD_H_ABS, typeAt),
    instruction(JMP_JEQ_K, newGeneration, 0, 1),
    instruction(RET_K, 0xffff_ffff),
    instruction(RET_K, 0),
  ])

export interface FilterListener {
  /** Something in the packet filter, of whichever table, is other than before. */
  changed(): void
  /** Nothing is told any more: changes may have been missed, as there were too many at once, or it was disposed. */
  ended(): void
}

/** How {@link watchFilter} is called, which a test replaces. */
export type WatchFilter = (listener: FilterListener) => Promise<Disposable>

/**
 * For the network namespace that the calling thread is in at the time of the call.
 *
 * @throws SyscallError EPERM without CAP_NET_ADMIN.
 */
export const watchFilter: WatchFilter = async (listener) => {
  const socket = await adoptSocket(open(), {
    data: () => listener.changed(),
    close: () => listener.ended(),
    error() {},
  })
  return { [Symbol.dispose]: () => void socket.end() }
}

function open(): number {
  const fd = checked(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_FLAGS, NETLINK_NETFILTER), 'socket AF_NETLINK')
  try {
    const code = generationsOnly()
    // struct sock_fprog: the number of instructions, and where they are.
    const program = Buffer.alloc(16)
    program.writeUInt16LE(code.length / 8, 0)
    program.writeBigUInt64LE(BigInt(ptr(code)), 8)
    checked(
      libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, ptr(program), program.length),
      'SO_ATTACH_FILTER',
    )
    // struct sockaddr_nl: u16 family, u16 padding, u32 port (the kernel chooses), u32 groups.
    const address = Buffer.alloc(12)
    address.writeUInt16LE(AF_NETLINK, 0)
    address.writeUInt32LE(nftables, 8)
    checked(libc.bind(fd, ptr(address), address.length), 'bind to the notifications of nf_tables')
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}
