/** Another mount namespace (mount_namespaces(7), setns(2)). */
import { checked, libc } from '../libc.ts'

const CLONE_FS = 0x200
const CLONE_NEWNS = 0x20000

/**
 * Takes the calling thread into the mount namespace of that descriptor: its paths are those of that namespace, but for the runtime's other
 * threads. For a process that has nothing else to do and ends soon.
 *
 * @throws SyscallError EPERM.
 */
export function enterMountNamespace(namespace: number): void {
  // The kernel moves no thread that shares its working directory with others.
  checked(libc.unshare(CLONE_FS), 'unshare of the working directory')
  checked(libc.setns(namespace, CLONE_NEWNS), 'setns into another mount namespace')
}
