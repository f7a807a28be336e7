/** Keys about disks, pass-through and network devices of the machine. */
import { keysOf } from '../key-spec.ts'
import { boolean, choice, integer, path } from '../value-types.ts'

const key = keysOf('hypervisor')
const noVfio = { firecracker: 'it has no VFIO devices', clh: 'kata-ts hands it none yet' }

export const deviceKeys = [
  key(
    'pcie_root_port',
    'pcieRootPort',
    integer(0, 16),
    4,
    'Free PCIe root ports for hot-plug (Kata: 0). Each costs some 20 ms of a boot under TCG.',
    { drivers: ['qemu'], annotation: 'pcie_root_port' },
  ),
  key(
    'disable_block_device_use',
    'disableBlockDeviceUse',
    boolean,
    false,
    'Refuses volumes that are block devices or disk images. Devices that a container asks for as devices (`--device`, `volumeDevices`) still go to the guest. The file that Kata ships says true.',
    { drivers: ['qemu', 'clh'], annotation: 'disable_block_device_use' },
  ),
  key(
    'block_device_driver',
    'blockDeviceDriver',
    // Kata's Rust runtime writes the bus behind the name.
    choice(['virtio-scsi', 'virtio-blk'], { 'virtio-blk-pci': 'virtio-blk' }),
    'virtio-scsi',
    'How the guest sees a disk. `virtio-scsi`: any number of disks on one controller, which takes a root port when the first disk comes. `virtio-blk`: faster, and takes a root port for each disk.',
    {
      perDriver: {
        clh: { type: choice(['virtio-blk'], { 'virtio-blk-pci': 'virtio-blk' }), absent: 'virtio-blk' },
        firecracker: {
          type: choice(['virtio-mmio'], { 'virtio-blk-mmio': 'virtio-mmio' }),
          absent: 'virtio-mmio',
        },
      },
      annotation: 'block_device_driver',
    },
  ),
  key(
    'block_device_aio',
    'blockDeviceAio',
    choice(['threads', 'native', 'io_uring']),
    'threads',
    "How QEMU reads and writes a disk. `native` is the kernel's asynchronous I/O, which exists past the page cache only (`block_device_cache_direct`); otherwise it counts as `threads`. `io_uring`, Kata's default, counts as `native`: its rings are closed to a confined VMM.",
    { drivers: ['qemu'], annotation: 'block_device_aio' },
  ),
  key(
    'block_device_cache_set',
    'blockDeviceCacheSet',
    boolean,
    false,
    "Whether the next two keys count; otherwise a disk is cached by the host's page cache and flushed when the guest says so.",
    { drivers: ['qemu', 'clh'], annotation: 'block_device_cache_set' },
  ),
  key(
    'block_device_cache_direct',
    'blockDeviceCacheDirect',
    boolean,
    false,
    "Reads and writes disks past the host's page cache (O_DIRECT).",
    { drivers: ['qemu', 'clh'], annotation: 'block_device_cache_direct' },
  ),
  key(
    'block_device_cache_noflush',
    'blockDeviceCacheNoflush',
    boolean,
    false,
    "Ignores the guest's flushes: faster, and a crash of the host loses data.",
    { drivers: ['qemu'], annotation: 'block_device_cache_noflush' },
  ),
  key(
    'agent_channel',
    'agentChannel',
    choice(['serial', 'vsock', 'auto']),
    'auto',
    "How the host talks to the guest's agent. `serial`: virtio-serial, by which a guest reaches nothing but the runtime. `vsock`: the host kernel's vsock (/dev/vhost-vsock, handed over as a descriptor), as in Kata; guests can then reach whatever listens on vsock on the host. `auto`: virtio-serial to the guest of `kata-ts image build`; to one of your own (`initrd`, or `kernel` with `image`) vsock, which is all that Kata's agent speaks, and virtio-serial on a host without it.",
    { own: true, drivers: ['qemu'] },
  ),
  key(
    'enable_tpm',
    'enableTpm',
    boolean,
    false,
    'Gives the guest a TPM 2.0, /dev/tpm0, emulated by swtpm as a user of its own. Its contents live as long as the sandbox. A container sees it if it is privileged or asks for the character device 10:224.',
    { own: true, drivers: ['qemu'], annotation: 'enable_tpm' },
  ),
  key('swtpm_path', 'swtpmPath', path(), '/usr/bin/swtpm', 'The swtpm program.', {
    own: true,
    drivers: ['qemu'],
  }),
  key(
    'hot_plug_vfio',
    'hotPlugVfio',
    choice(['no-port', 'root-port']),
    'no-port',
    'Where a VFIO device of a container is plugged in while the machine runs, by iommufd. The VMM may then lock all of its memory. Excludes `cold_plug_vfio`.',
    { drivers: ['qemu'], impossible: noVfio, annotation: 'hot_plug_vfio' },
  ),
  key(
    'cold_plug_vfio',
    'coldPlugVfio',
    choice(['no-port', 'root-port']),
    'no-port',
    "Where a VFIO device of a pod's first container is, from the machine's start on; devices of other containers are refused.",
    { drivers: ['qemu'], impossible: noVfio, annotation: 'cold_plug_vfio' },
  ),
  key(
    'disable_vhost_net',
    'disableVhostNet',
    boolean,
    false,
    "Moves packets in the VMM's process even where the host has /dev/vhost-net.",
    { drivers: ['qemu'], annotation: 'disable_vhost_net' },
  ),
  key(
    'network_queues',
    'networkQueues',
    integer(1, 256),
    1,
    'Queue pairs of a network interface, at most one for each vCPU.',
    { drivers: ['qemu', 'clh'], annotation: 'network_queues' },
  ),
]
