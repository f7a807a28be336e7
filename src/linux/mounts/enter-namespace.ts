/** The mount namespace of another process (mount_namespaces(7), setns(2)). */
import { closeSync, openSync } from 'node:fs'
import { checked, libc } from '../libc.ts'

const CLONE_FS = 0x200
const CLONE_NEWNS = 0x20000

/**
 * Takes the calling thread there for good: paths mean what they mean to `pid`, but for the runtime's other threads. For a process that
 * has nothing else to do and ends soon.
 *
 * @throws SyscallError EPERM; the errors of open(2) when there is no such process.
 */
export function enterMountNamespace(pid: number): void {
  const fd = openSync(`/proc/${pid}/ns/mnt`, 'r')
  try {
    // The kernel moves no thread that shares its working directory with others.
    checked(libc.unshare(CLONE_FS), 'unshare of the working directory')
    checked(libc.setns(fd, CLONE_NEWNS), `setns into the mount namespace of process ${pid}`)
  } finally {
    closeSync(fd)
  }
}
