/** Keys about vCPUs and memory of the machine. */
import { type Key, keysOf } from '../key-spec.ts'
import { boolean, integer, mebibytes, number } from '../value-types.ts'

export interface SizeFields {
  /** May have a fraction, which is rounded up when the machine is built. */
  readonly defaultVcpus: number
  /** 0 means as many as the host has. */
  readonly defaultMaxVcpus: number
  /** MiB. */
  readonly defaultMemory: number
  /** MiB; 0 means the host's memory. */
  readonly defaultMaxMemory: number
  readonly enableVirtioMem: boolean
  readonly enableMemPrealloc: boolean
  readonly enableHugepages: boolean
  readonly reclaimGuestFreedMemory: boolean
}

const key = keysOf('hypervisor')

export const sizeKeys = (): readonly Key[] => [
  key(
    'default_vcpus',
    'defaultVcpus',
    number(-1, 1024),
    1,
    'vCPUs of a sandbox; a fraction is rounded up when the machine is built. 0 means 1, -1 means all CPUs of the host, and a larger number than the host has means all of them.',
    { annotation: 'default_vcpus', example: '2' },
  ),
  key(
    'default_maxvcpus',
    'defaultMaxVcpus',
    integer(0, 1024),
    0,
    'The maximum number of vCPUs. 0 means as many as the host has after hot-plug, and `default_vcpus` more than that at the start.',
    { annotation: 'default_max_vcpus', example: '2', aliases: ['default_max_vcpus'] },
  ),
  key(
    'default_memory',
    'defaultMemory',
    mebibytes(128, 16777216),
    2048,
    'Memory of a sandbox in MiB. Kata replaces values below 256 by 2048; kata-ts accepts values from 128. An annotation may name another unit ("2GiB", "2Gi"), as for runtime-rs; a number alone is in MiB, as for the Go runtime.',
    { annotation: 'default_memory', example: '512' },
  ),
  key(
    'default_maxmemory',
    'defaultMaxMemory',
    integer(0, 16777216, ' MiB'),
    0,
    'The maximum memory after hot-plug, in MiB. 0 means the memory of the host.',
  ),
  key(
    'enable_virtio_mem',
    'enableVirtioMem',
    boolean,
    false,
    'Grows and shrinks memory with one virtio-mem device instead of memory modules.',
    { optional: true, annotation: 'enable_virtio_mem', example: 'true' },
  ),
  key(
    'enable_mem_prealloc',
    'enableMemPrealloc',
    boolean,
    false,
    "Takes all of the guest's memory from the host when the machine starts.",
    { optional: true, annotation: 'enable_mem_prealloc', example: 'true' },
  ),
  key(
    'enable_hugepages',
    'enableHugepages',
    boolean,
    false,
    "Backs the guest's memory with the host's huge pages, which must have been reserved.",
    { annotation: 'enable_hugepages', example: 'true' },
  ),
  key(
    'reclaim_guest_freed_memory',
    'reclaimGuestFreedMemory',
    boolean,
    false,
    'Gives memory that the guest has freed back to the host (free page reporting of a balloon device; Firecracker 1.14). A paused container also gives back its page cache.',
    { annotation: 'reclaim_guest_freed_memory', example: 'true' },
  ),
]
