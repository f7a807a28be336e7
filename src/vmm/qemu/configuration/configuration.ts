/** What the configuration has to know of QEMU. */
import type { DriverConfiguration } from '../../../config/driver-configuration.ts'
import { qemuKeys } from './keys.ts'

const comesAgain = 'it grants a burst again after every pause'

export const qemu = {
  driver: 'qemu',
  aliases: [],
  name: 'QEMU',
  folder: 'qemu',
  suffix: '',
  accelerators: ['kvm', 'tcg'],
  program: {
    install: 'qemu-system-x86',
    remedy: 'Run `apt-get install qemu-system-x86`, or name another QEMU with `path`.',
    // First with the machine switches and CPU flags that command-line.ts names.
    minimum: () => ({ major: 8, minor: 0, micro: 0 }),
  },
  starters: [],
  keys: qemuKeys,
  has: [
    ...(['accelerator', 'kvmAccess', 'entropySource'] as const),
    ...(['enableVirtioMem', 'enableMemPrealloc'] as const),
    ...(['disableBlockDeviceUse', 'blockDeviceCacheSet', 'blockDeviceCacheDirect'] as const),
    ...(['hotPlugVfio', 'coldPlugVfio', 'agentChannel', 'enableTpm', 'swtpmPath'] as const),
    ...(['disableVhostNet', 'networkQueues'] as const),
    ...([
      'sharedFs',
      'virtioFsDaemon',
      'virtioFsPrivilege',
      'virtioFsNosuid',
      'virtioFsSuidVolumes',
    ] as const),
    ...(['virtioFsCache', 'virtioFsQueueSize', 'virtioFsExtraArgs'] as const),
    ...(['validVirtioFsDaemonPaths', 'validEntropySources'] as const),
    ...(['enableTemplate', 'templatePath'] as const),
  ],
  values: { path: { absent: '/usr/bin/qemu-system-x86_64' } },
  impossible: { diskRateLimiterBwOneTimeBurst: comesAgain, diskRateLimiterOpsOneTimeBurst: comesAgain },
  rules: [],
} as const satisfies DriverConfiguration
