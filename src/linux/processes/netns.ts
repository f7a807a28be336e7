/** Network namespaces (network_namespaces(7), setns(2)). */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { checked, libc, SyscallError } from '../libc.ts'

const CLONE_NEWNET = 0x40000000
const ownNetns = '/proc/thread-self/ns/net'

/** A namespace that is held open; it lives at least as long. */
export interface Netns {
  readonly fd: number
  /** Device and inode: two names of one namespace have the same. */
  readonly identity: string
  close(): void
}

/** Opens a namespace by its name in the file system. @throws ENOENT and others of open(2). */
export function openNetns(path: string): Netns {
  // O_NONBLOCK: a FIFO in its place must not block.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const { dev, ino } = fstatSync(fd)
  return { fd, identity: `${dev}:${ino}`, close: () => closeSync(fd) }
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
