/** A mount namespace for a moment (mount_namespaces(7)). */
import { closeSync, openSync } from 'node:fs'
import { checked, cstring, libc, ptr } from '../libc.ts'
import { enterMountNamespace } from './enter-namespace.ts'
import { mount, mountFlags } from './mount.ts'
import { openLocation } from './mount-tree.ts'

const CLONE_NEWNS = 0x20000
const SYS_fchdir = 81 // x86-64
const SYS_chroot = 161 // x86-64

/**
 * Runs `action` in a mount namespace of its own: nobody else sees its mounts, and they end with it. The calling thread enters it and comes
 * back before anything else can run, so `action` is synchronous. The thread no longer shares its working directory with the others: this is
 * for a process that ends soon.
 *
 * @throws SyscallError EPERM; and what `action` throws.
 */
export function inNewMountNamespace<T>(action: () => T): T {
  const namespace = openSync('/proc/thread-self/ns/mnt', 'r')
  const [root, directory] = [openLocation('/'), openLocation('.')]
  try {
    checked(libc.unshare(CLONE_NEWNS), 'unshare of the mount namespace')
    try {
      mount({ source: 'none', target: '/', flags: mountFlags.private | mountFlags.rec })
      return action()
    } finally {
      comeBack(namespace, root, directory)
    }
  } finally {
    for (const fd of [namespace, root, directory]) closeSync(fd)
  }
}

/**
 * A thread that enters a namespace is at its root then. A process that cannot come back must not go on: its files would not be those of the
 * host.
 */
function comeBack(namespace: number, root: number, directory: number): void {
  try {
    enterMountNamespace(namespace)
    enterDirectory(root)
    checked(libc.syscall(SYS_chroot, ptr(cstring('.')), 0, 0, 0, 0, 0), 'chroot to the root of the process')
    enterDirectory(directory)
  } catch (error) {
    process.stderr.write(`cannot return to the mount namespace of the host: ${error}\n`)
    process.abort()
  }
}

const enterDirectory = (fd: number): void =>
  void checked(libc.syscall(SYS_fchdir, fd, 0, 0, 0, 0, 0), 'fchdir back to an open directory')
