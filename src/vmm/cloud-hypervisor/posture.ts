/** How confined Cloud Hypervisor is: while its machine is only described, and once it runs. */
import type { LaunchSpec } from '../../rootless/jail/launch-spec.ts'
import { type ExpectedPosture, expectedPosture } from '../../rootless/posture/posture-check.ts'
import type { VmSpec } from '../vmm.ts'
import { inJail, type MachineSettings } from './settings/vm-config.ts'

/** Filters on every thread but the first: that of the jail and its own. The first only waits, without one. */
const filters = { seccompFilters: 2, firstThreadFilters: 1 }
/** What it opens itself before the machine runs. */
const always = ['/dev/kvm', 'anon_inode:[eventfd]', 'anon_inode:[eventpoll]']
/** Our connection to the API, and the pair by which its signal handler wakes itself. */
const idleSockets = 3
/** Those to the guest that it may have at a time: the agent client's, and what a lost one left for a moment. */
const mostConnections = 3

/** `spec` is what it is launched by; its descriptors are still open here. */
export function waitingPosture(spec: LaunchSpec): ExpectedPosture {
  const sockets = { fewestSockets: idleSockets, sockets: idleSockets }
  return expectedPosture(spec, { ...filters, ...sockets, files: always })
}

/** What it adds for a machine that runs; `waiting` is the posture before. */
export function runningPosture(
  waiting: ExpectedPosture,
  { initrd, share, volumeShare }: Pick<VmSpec, 'initrd' | 'share' | 'volumeShare'>,
  { entropySource }: Pick<MachineSettings, 'entropySource'>,
): ExpectedPosture {
  return {
    ...waiting,
    files: [
      ...always,
      // The timer was seen once it had a card and a disk, and not without.
      ...[
        'anon_inode:[timerfd]',
        'anon_inode:kvm-vm',
        '/memfd:ch_ram (deleted)',
        '/dev/net/tun',
        entropySource,
      ],
      // It would read it again for a guest that resets.
      ...(initrd === undefined ? [] : [inJail.initrd]),
    ],
    opens: ['anon_inode:kvm-vcpu:', `${inJail.disks}/`],
    // The listener of vsock with its connections, and those of the shares; the first one's may come later.
    fewestSockets: idleSockets + 1 + [share, volumeShare].filter((one) => one !== undefined).length,
    sockets: idleSockets + 2 + (volumeShare === undefined ? 0 : 1) + mostConnections,
  }
}
