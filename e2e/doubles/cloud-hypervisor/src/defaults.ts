/** What a configuration says where it was not asked to say anything, as vm.info tells it. */
import type { DiskConfig, VmConfig } from './vm-config.ts'

const cpus = {
  boot_vcpus: 1,
  max_vcpus: 1,
  kvm_hyperv: false,
  max_phys_bits: 46,
  features: { amx: false },
  nested: true,
  core_scheduling: 'Vm',
  profile: 'Host',
}
const memory = {
  size: 512 * 1024 * 1024,
  mergeable: false,
  hotplug_method: 'Acpi',
  shared: false,
  hugepages: false,
  prefault: false,
  reserve: false,
  thp: true,
}
const disk = {
  pci_segment: 0,
  readonly: false,
  direct: false,
  num_queues: 1,
  queue_size: 128,
  vhost_user: false,
  disable_io_uring: false,
  disable_aio: false,
  backing_files: false,
  sparse: true,
  image_type: 'Unknown',
  lock_granularity: 'ByteRange',
}
const device = { pci_segment: 0 }

export const withDefaults = (given: Partial<VmConfig>): VmConfig => ({
  serial: { mode: 'Null' },
  debug_console: { mode: 'Off', iobase: 233 },
  pvpanic: false,
  iommu: false,
  watchdog: false,
  landlock_enable: false,
  ...given,
  cpus: { ...cpus, ...given.cpus },
  memory: { ...memory, ...given.memory },
  rng: { ...device, src: '/dev/urandom', ...given.rng },
  console: { ...device, mode: 'Tty', ...given.console },
  ...(given.vsock && { vsock: { ...device, ...given.vsock } }),
  ...(given.disks && { disks: given.disks.map(diskWithDefaults) }),
})

export const diskWithDefaults = (given: DiskConfig): DiskConfig => ({ ...disk, ...given })
