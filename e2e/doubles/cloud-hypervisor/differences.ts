/** In what the double of Cloud Hypervisor is another thing than the real program, as far as that was recorded. */
import type { Difference } from '../common/difference.ts'

export const differences: readonly Difference[] = [
  {
    what: 'the fault in a text that is no JSON',
    real: '`key must be a string at line 1 column 2`',
    double: 'the words of its own parser',
    because: 'status and first line, which are the same, are all that anybody reads',
    answers: [8],
  },
  {
    what: 'vm.info while a machine runs: `pci_bdf` and `resources` of devices',
    real: 'places and address ranges on its own bus',
    double: 'those of the QEMU underneath, without ranges',
    because: 'the guest has to find its devices where it is told',
    fields: ['pci_bdf', 'resources'],
  },
  {
    what: 'sockets while a machine runs',
    real: 'the first share’s connection is its own',
    double: 'that is QEMU’s; it has one to QEMU’s monitor and one to the guest’s agent port instead',
    because: 'a real guest runs underneath',
    sockets: 1,
  },
  {
    what: 'threads, KVM’s machine and processors, `ch_ram`, timers',
    real: 'do the work',
    double:
      'are there, with the same names, filters and kinds, and do nothing: the first thread starts QEMU, the second does all else',
    because: 'the guest runs in QEMU under TCG, whatever /dev/kvm can do',
  },
  {
    what: 'vsock',
    real: 'a device of the guest',
    double: 'a virtio-serial port behind the same socket, one connection at a time',
    because: 'QEMU has vsock with a driver of the host only',
  },
  {
    what: 'processors that are plugged, memory that is taken back',
    real: 'plugged by ACPI; a balloon',
    double: 'there from the start and offline; not taken back',
    because: 'plugging a processor takes KVM; our driver asks for no memory back',
  },
  {
    what: 'descriptors of a tap and of a disk',
    real: 'six a pair of queues; two a disk',
    double: 'one each, and QEMU’s',
    because: 'what matters is the kind',
  },
  {
    what: 'rate limiters of disks',
    real: 'slow the guest when their bucket, with a one-time burst, is empty',
    double: 'slow it by QEMU’s throttle, whose bucket has a tenth of a second’s worth',
    because: 'a guest is never faster than with the real program',
  },
  {
    what: 'vm.resize-disk',
    real: 'was not recorded',
    double:
      'the statuses of the API description, texts of its own; a block device that has another size is refused by QEMU',
    because: 'only its status matters to the driver',
  },
  {
    what: 'devices that the driver never asks for (pmem, vfio-user, vdpa, tpm and the like), a card without descriptors',
    real: 'made',
    double: 'refused by name at vm.create or vm.add-net',
    because: 'nobody would use them',
  },
]
