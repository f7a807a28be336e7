/** Keys about disks, pass-through and network devices of the machine. */
import type { AgentChannel, BlockDeviceDriver, VfioPort } from '../config.ts'
import { type Key, keysOf } from '../key-spec.ts'
import { boolean, choice, integer, path } from '../value-types.ts'

export interface DeviceFields {
  readonly disableBlockDeviceUse: boolean
  readonly blockDeviceDriver: BlockDeviceDriver
  /** Whether those about the cache count. */
  readonly blockDeviceCacheSet: boolean
  readonly blockDeviceCacheDirect: boolean
  readonly agentChannel: AgentChannel
  readonly enableTpm: boolean
  readonly swtpmPath: string
  /** Never both other than `no-port`. */
  readonly hotPlugVfio: VfioPort
  readonly coldPlugVfio: VfioPort
  readonly disableVhostNet: boolean
  /** Queue pairs of a network interface. */
  readonly networkQueues: number
}

const key = keysOf('hypervisor')

export const deviceKeys = (): readonly Key[] => [
  key(
    'disable_block_device_use',
    'disableBlockDeviceUse',
    boolean,
    false,
    'Refuses volumes that are block devices or disk images. A root file system on a block device is then mounted on the host and shared. Devices that a container asks for as devices (`--device`, `volumeDevices`) still go to the guest. The file that Kata ships says true.',
    { optional: true, annotation: 'disable_block_device_use', example: 'true' },
  ),
  key(
    'block_device_driver',
    'blockDeviceDriver',
    // Kata's Rust runtime writes the bus behind the name.
    choice(['virtio-scsi', 'virtio-blk'], { 'virtio-blk-pci': 'virtio-blk' }),
    'virtio-scsi',
    'How the guest sees a disk. `virtio-scsi`: any number of disks on one controller, which takes a root port when the first disk is added. `virtio-blk`: faster, but takes a root port for each disk.',
    {
      annotation: 'block_device_driver',
      example: 'virtio-blk',
    },
  ),
  key(
    'block_device_cache_set',
    'blockDeviceCacheSet',
    boolean,
    false,
    "Whether the `block_device_cache_` keys that follow take effect; otherwise the host's page cache caches a disk, and flushes it when the guest asks.",
    { optional: true, annotation: 'block_device_cache_set', example: 'true' },
  ),
  key(
    'block_device_cache_direct',
    'blockDeviceCacheDirect',
    boolean,
    false,
    "Bypasses the host's page cache for disks (O_DIRECT).",
    { optional: true, annotation: 'block_device_cache_direct', example: 'true' },
  ),
  key(
    'agent_channel',
    'agentChannel',
    choice(['serial', 'vsock', 'auto']),
    'auto',
    "How the host talks to the guest's agent. `serial`: virtio-serial, over which a guest reaches nothing but the runtime. `vsock`: the host kernel's vsock (/dev/vhost-vsock, handed over as a descriptor), as in Kata; guests can then reach whatever listens on vsock on the host. `auto`: virtio-serial to the guest of `kata-ts guest build`; vsock to your own guest (`initrd`, or `kernel` with `image`), because Kata's agent speaks nothing else, and virtio-serial on a host without vsock.",
    { own: true, optional: true },
  ),
  key(
    'enable_tpm',
    'enableTpm',
    boolean,
    false,
    'Gives the guest a TPM 2.0, /dev/tpm0, emulated by swtpm under its own user. Its contents live as long as the sandbox. A container sees it if it is privileged or asks for the character device 10:224.',
    { own: true, optional: true, annotation: 'enable_tpm', example: 'true' },
  ),
  key('swtpm_path', 'swtpmPath', path(), '/usr/bin/swtpm', 'The swtpm program.', {
    own: true,
    optional: true,
  }),
  key(
    'hot_plug_vfio',
    'hotPlugVfio',
    choice(['no-port', 'root-port']),
    'no-port',
    '`root-port`: VFIO devices of containers are plugged in while the machine runs, by iommufd. The VMM may then lock all of its memory. `no-port`: none is plugged in then. Excludes `cold_plug_vfio`.',
    { optional: true, annotation: 'hot_plug_vfio', example: 'root-port' },
  ),
  key(
    'cold_plug_vfio',
    'coldPlugVfio',
    choice(['no-port', 'root-port']),
    'no-port',
    "`root-port`: VFIO devices of a pod's first container are in the machine from its start; devices of other containers are refused.",
    { optional: true, annotation: 'cold_plug_vfio', example: 'root-port' },
  ),
  key(
    'disable_vhost_net',
    'disableVhostNet',
    boolean,
    false,
    "Moves packets in the VMM's process even if the host has /dev/vhost-net.",
    { optional: true, annotation: 'disable_vhost_net', example: 'true' },
  ),
  key(
    'network_queues',
    'networkQueues',
    integer(1, 256),
    1,
    'Queue pairs of a network interface, at most one for each vCPU.',
    { optional: true, annotation: 'network_queues', example: '2' },
  ),
]
