/** What the configuration has to know of Cloud Hypervisor. */
import type { DriverConfiguration } from '../../../config/driver-configuration.ts'
import { choice } from '../../../config/value-types.ts'

const noVfio = 'kata-ts hands it none yet'

export const cloudHypervisor = {
  driver: 'clh',
  aliases: ['cloud-hypervisor'],
  name: 'Cloud Hypervisor',
  folder: 'cloud-hypervisor',
  suffix: '-clh',
  accelerators: ['kvm'],
  program: {
    install: 'cloud-hypervisor',
    remedy: 'Install its release from github.com/cloud-hypervisor, or name one with `path`.',
    // First without a use after free that a guest reaches by its disks (CVE-2026-45782). With AIO, which is all that the jail
    // lets it have, 51 knows no discard either. Since 51 it is told what a disk image is, instead of guessing it from bytes
    // that a guest may have written.
    minimum: () => ({ major: 52, minor: 0, micro: 0 }),
  },
  starters: [],
  keys: [],
  has: [
    ...(['entropySource', 'enableMemPrealloc', 'networkQueues'] as const),
    ...(['disableBlockDeviceUse', 'blockDeviceCacheSet', 'blockDeviceCacheDirect'] as const),
    ...(['diskRateLimiterBwOneTimeBurst', 'diskRateLimiterOpsOneTimeBurst'] as const),
    ...([
      'sharedFs',
      'virtioFsDaemon',
      'virtioFsPrivilege',
      'virtioFsNosuid',
      'virtioFsSuidVolumes',
    ] as const),
    ...(['virtioFsCache', 'virtioFsQueueSize', 'virtioFsExtraArgs'] as const),
    ...(['validVirtioFsDaemonPaths', 'validEntropySources'] as const),
  ],
  values: {
    path: { absent: '/usr/bin/cloud-hypervisor' },
    blockDeviceDriver: {
      type: choice(['virtio-blk'], { 'virtio-blk-pci': 'virtio-blk' }),
      absent: 'virtio-blk',
    },
  },
  impossible: { hotPlugVfio: noVfio, coldPlugVfio: noVfio },
  rules: [],
} as const satisfies DriverConfiguration
