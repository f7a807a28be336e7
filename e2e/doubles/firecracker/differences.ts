/** In what the doubles of Firecracker and its jailer are another thing than the real programs, as far as that was recorded. */
import type { Difference } from '../common/difference.ts'

export const differences: readonly Difference[] = [
  {
    what: 'a body that is too long',
    real: 'is refused, and its bytes are then taken for another request',
    double: 'is refused, and the connection closed',
    because: 'our client sends none',
  },
  {
    what: 'sockets while a machine runs',
    real: 'its own listeners and connections',
    double: 'two more: one to QEMU’s monitor, one to the guest’s agent port',
    because: 'a real guest runs underneath',
    sockets: 2,
  },
  {
    what: 'threads, KVM’s machine and processors, events and timers',
    real: 'do the work',
    double:
      'are there, with the same names, filters and kinds, and do nothing but that `fc_api` does all; of events and timers there are fewer',
    because: 'the guest runs in QEMU under TCG, in a process beside it',
  },
  {
    what: 'reset and triple fault',
    real: 'the keyboard controller’s reset ends it with 0, a triple fault with 1, or, by a race of its own, with 0',
    double: 'tells them apart by the last `reboot=` of the kernel’s command line',
    because: 'QEMU says the same of both',
  },
  {
    what: 'huge pages',
    real: 'anonymous, taken as the guest touches them',
    double: 'taken in the same way, of a file in memory, by QEMU',
    because: 'QEMU has no anonymous ones',
  },
  {
    what: 'vsock',
    real: 'a device of the guest',
    double: 'a virtio-serial port behind the same socket, one connection at a time',
    because: 'QEMU has vsock with a driver of the host only',
  },
  {
    what: 'PATCH /vm of a machine that runs',
    real: 'pauses and resumes; after that 1.16 takes nothing from its vsock any more',
    double: 'is refused by name',
    because: 'our driver does not pause machines',
  },
  {
    what: 'rate limiters of drives',
    real: 'slow the guest when their bucket, with a one-time burst, is empty',
    double: 'slow it by QEMU’s throttle, whose bucket has a tenth of a second’s worth',
    because: 'a guest is never faster than with the real program',
  },
  {
    what: 'pmem, MMDS, snapshots, memory hot-plug, other rate limiters, a balloon that takes memory, `SendCtrlAltDel`',
    real: 'there',
    double: 'refused by name',
    because: 'nobody would use them',
  },
  {
    what: 'warnings about what a guest does to its devices',
    real: 'in the log at level Warning',
    double: 'none',
    because: 'our driver asks for errors only',
  },
  {
    what: 'the jailer: what it starts',
    real: 'has descriptors 0 to 2',
    double: 'has /usr of the host as descriptor 3 too, which the double of Firecracker closes at once',
    because: 'QEMU has to come from somewhere',
  },
]
