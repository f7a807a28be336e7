/** Network namespaces (network_namespaces(7), setns(2)). */
import { closeSync, constants, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { identityOf } from '../files/file-identity.ts'
import { checked, libc, ptr, SyscallError } from '../libc.ts'

const CLONE_NEWNET = 0x40000000
const ownNetns = '/proc/thread-self/ns/net'
const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0o2000002
const SOL_SOCKET = 1
/** Linux 5.14. */
const SO_NETNS_COOKIE = 71

/** A namespace that is held open; it lives at least as long. */
export interface Netns {
  readonly fd: number
  /** Device and inode: two names of one namespace have the same. A later namespace may have them again, see {@link lastingIdentity}. */
  readonly identity: string
  close(): void
}

/** Opens a namespace by its name in the file system. @throws ENOENT and others of open(2). */
export function openNetns(path: string): Netns {
  // O_NONBLOCK: a FIFO in its place must not block.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return { fd, identity: identityOf(fd), close: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** The namespace of this process. */
export const openOwnNetns = (): Netns => openNetns(ownNetns)

/**
 * Runs `action` inside the namespace. The calling thread enters it and comes back before anything else can run, so
 * `action` is synchronous; sockets and taps that it opens stay there for good.
 *
 * @throws SyscallError EINVAL when it is no network namespace, EPERM; and what `action` throws.
 */
export function inNetns<T>(netns: Netns, action: () => T): T {
  const own = openOwnNetns()
  try {
    checked(libc.setns(netns.fd, CLONE_NEWNET), 'setns into a network namespace')
    try {
      return action()
    } finally {
      comeBack(own)
    }
  } finally {
    own.close()
  }
}

/**
 * The identity of a namespace for as long as the host runs: with the kernel's cookie, which no other namespace gets, while inodes are
 * used again. Older kernels have no cookie.
 *
 * @throws SyscallError EINVAL when it is no network namespace.
 */
export function lastingIdentity(netns: Netns): string {
  return `${netns.identity}:${inNetns(netns, cookieHere)}`
}

function cookieHere(): string {
  const fd = checked(libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0), 'socket AF_UNIX')
  try {
    const cookie = new BigUint64Array(1)
    const length = new Uint32Array([8])
    const got = libc.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ptr(cookie), ptr(length))
    return got === 0 ? `${cookie[0]}` : ''
  } finally {
    closeSync(fd)
  }
}

/** Runs `action` inside a new, empty namespace, which ends with it. @throws SyscallError EPERM; and what `action` throws. */
export function inNewNetns<T>(action: () => T): T {
  const own = openOwnNetns()
  try {
    checked(libc.unshare(CLONE_NEWNET), 'unshare of the network namespace')
    try {
      return action()
    } finally {
      comeBack(own)
    }
  } finally {
    own.close()
  }
}

/** A process that cannot come back must not go on: it would take the pod's network for the host's. */
function comeBack(own: Netns): void {
  if (libc.setns(own.fd, CLONE_NEWNET) !== -1) return
  process.stderr.write('cannot return to the network namespace of the host\n')
  process.abort()
}

/** Whether the error says that there is no such namespace (any more), instead of that it cannot be entered. */
export function isNoNetns(error: unknown): boolean {
  if (error instanceof KataError) return error instanceof SyscallError && error.errno === 'EINVAL'
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
}
