/** Keys about vCPUs and memory of the machine. */
import { keysOf } from '../key-spec.ts'
import { boolean, integer, number } from '../value-types.ts'

const key = keysOf('hypervisor')

export const sizeKeys = [
  key(
    'default_vcpus',
    'defaultVcpus',
    number(-1, 1024),
    1,
    'vCPUs of a sandbox; a fraction is rounded up when the machine is built. 0 means 1, -1 all CPUs of the host, more than the host has means that many.',
    { annotation: 'default_vcpus' },
  ),
  key(
    'default_maxvcpus',
    'defaultMaxVcpus',
    integer(0, 1024),
    0,
    'The maximum number of vCPUs after hot-plug. 0 means as many as the host has.',
    { annotation: 'default_max_vcpus', aliases: ['default_max_vcpus'] },
  ),
  key(
    'default_memory',
    'defaultMemory',
    integer(128, 16777216, ' MiB'),
    2048,
    'Memory of a sandbox in MiB. Kata replaces values below 256 by 2048; kata-ts accepts values from 128.',
    { annotation: 'default_memory' },
  ),
  key(
    'default_maxmemory',
    'defaultMaxMemory',
    integer(0, 16777216, ' MiB'),
    0,
    'The maximum memory after hot-plug, in MiB. 0 means the memory of the host.',
  ),
  key('memory_slots', 'memorySlots', integer(0, 255), 10, 'Slots for memory hot-plug.', {
    drivers: ['qemu'],
    annotation: 'memory_slots',
  }),
  key(
    'enable_virtio_mem',
    'enableVirtioMem',
    boolean,
    false,
    'Grows and shrinks memory by one virtio-mem device instead of by memory modules.',
    { drivers: ['qemu'], annotation: 'enable_virtio_mem' },
  ),
  key(
    'enable_mem_prealloc',
    'enableMemPrealloc',
    boolean,
    false,
    "Takes all of the guest's memory from the host when the machine starts.",
    { drivers: ['qemu', 'clh'], annotation: 'enable_mem_prealloc' },
  ),
  key(
    'enable_hugepages',
    'enableHugepages',
    boolean,
    false,
    "Backs the guest's memory with the host's huge pages, which must have been reserved.",
    { annotation: 'enable_hugepages' },
  ),
  key(
    'reclaim_guest_freed_memory',
    'reclaimGuestFreedMemory',
    boolean,
    false,
    'Gives memory that the guest has freed back to the host (free page reporting of a balloon device; Firecracker 1.14).',
    { annotation: 'reclaim_guest_freed_memory' },
  ),
]
