/** What QEMU opens itself and keeps open. */
import type { ExpectedPosture } from '../../rootless/posture/posture-check.ts'

/** The guest's memory, its loop, and under KVM the machine. */
const always = [
  '/memfd:memory-backend-memfd (deleted)',
  ...['anon_inode:[eventfd]', 'anon_inode:[eventpoll]', 'anon_inode:[signalfd]'],
  ...['/dev/kvm', 'anon_inode:kvm-vm', 'anon_inode:kvm-vfio'],
]
/** With the number of a processor behind it. */
const ofProcessors = ['anon_inode:kvm-vcpu:', 'anon_inode:kvm-vcpu-stats:']

/** With these files that it opens by their paths, and these disks, which it keeps under numbers of its own. */
export function openedByQemu(
  paths: readonly string[],
  disks: readonly string[],
): Required<Pick<ExpectedPosture, 'files' | 'opens'>> {
  return { files: [...always, ...paths, ...disks], opens: ofProcessors }
}
