/** What the configuration has to know of Firecracker and its jailer. */
import type { DriverConfiguration } from '../../../config/driver-configuration.ts'
import { choice } from '../../../config/value-types.ts'
import { firecrackerKeys } from './keys.ts'

const noVfio = 'it has no VFIO devices'

export const firecracker = {
  driver: 'firecracker',
  aliases: [],
  name: 'Firecracker',
  folder: 'firecracker',
  suffix: '-fc',
  accelerators: ['kvm'],
  program: {
    install: 'firecracker',
    remedy:
      'Install firecracker and jailer of one release from github.com/firecracker-microvm, or name them with `path` and `jailer_path`.',
    // 1.8 is the first that tells a guest of its devices over ACPI; our kernel knows no other way to find them. Before 1.14 it
    // refuses the field `free_page_reporting`.
    minimum: ({ reclaimGuestFreedMemory }) => ({
      major: 1,
      minor: reclaimGuestFreedMemory ? 14 : 8,
      micro: 0,
    }),
  },
  starters: [
    {
      key: 'jailer_path',
      path: ({ jailerPath }) => jailerPath,
      install: 'jailer, of the same release as firecracker',
      hashAnnotation: 'jailer_hash',
    },
  ],
  keys: firecrackerKeys,
  has: ['diskRateLimiterBwOneTimeBurst', 'diskRateLimiterOpsOneTimeBurst'],
  values: {
    path: { absent: '/usr/bin/firecracker' },
    rootless: { absent: true },
    staticSandboxResourceMgmt: { absent: true },
    blockDeviceDriver: {
      type: choice(['virtio-mmio'], { 'virtio-blk-mmio': 'virtio-mmio' }),
      absent: 'virtio-mmio',
    },
    sharedFs: { type: choice(['none']), absent: 'none' },
  },
  impossible: {
    hotPlugVfio: noVfio,
    coldPlugVfio: noVfio,
    sharedFs: 'it has no vhost-user devices: root file systems and volumes are block devices',
  },
  rules: [
    {
      key: 'static_sandbox_resource_mgmt',
      isBroken: ({ runtime }) => !runtime.staticSandboxResourceMgmt,
      asked: 'static_sandbox_resource_mgmt = false',
      reason: 'it cannot hot-plug CPUs or memory',
    },
    {
      key: 'rootless',
      isBroken: ({ hypervisor }) => !hypervisor.rootless,
      asked: 'rootless = false',
      reason: "as root it would keep its jailer's capabilities",
    },
    {
      key: 'reclaim_guest_freed_memory',
      isBroken: ({ hypervisor }) => hypervisor.enableHugepages && hypervisor.reclaimGuestFreedMemory,
      asked: 'reclaim_guest_freed_memory = true beside enable_hugepages = true',
      reason: 'it gives nothing back of huge pages',
    },
  ],
} as const satisfies DriverConfiguration
