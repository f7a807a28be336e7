/** Keys about host directories in the guest. */
import type { HypervisorDriver } from '../config.ts'
import { daemonArgs } from '../daemon-args.ts'
import { keysOf } from '../key-spec.ts'
import { boolean, choice, integer, path, pathPatterns } from '../value-types.ts'

const key = keysOf('hypervisor')
const sharing: readonly HypervisorDriver[] = ['qemu', 'clh']

export const shareKeys = [
  key('shared_fs', 'sharedFs', choice(['virtio-fs']), 'virtio-fs', 'How host directories reach the guest.', {
    drivers: sharing,
    perDriver: { firecracker: { type: choice(['none']), absent: 'none' } },
    impossible: {
      firecracker: 'it has no vhost-user devices: root file systems and volumes are block devices',
    },
    annotation: 'shared_fs',
  }),
  key(
    'virtio_fs_daemon',
    'virtioFsDaemon',
    path(),
    '/usr/libexec/virtiofsd',
    'The virtiofsd program (Kata: no default).',
    {
      drivers: sharing,
      annotation: 'virtio_fs_daemon',
      allowList: { field: 'validVirtioFsDaemonPaths', key: 'valid_virtio_fs_daemon_paths' },
    },
  ),
  key(
    'virtio_fs_privilege',
    'virtioFsPrivilege',
    choice(['auto', 'unprivileged', 'root']),
    'unprivileged',
    'Who virtiofsd is on the host. `unprivileged`: a user of its own, who sees the share through idmapped mounts. `root`: root in a sandbox with few capabilities. `auto`: root only where a share cannot be idmapped, so the author of a pod decides by its volumes.',
    { drivers: sharing, own: true, wall: true, annotation: 'virtio_fs_privilege' },
  ),
  key(
    'virtio_fs_nosuid',
    'virtioFsNosuid',
    boolean,
    false,
    'Refuses the guest set-user-id and set-group-id bits and file capabilities on every file that it shares with the host, as they are refused on its writable volumes in any case. With it a container cannot install such programs (sudo, su) into its own root file system either; those of its image work. `virtio_fs_suid_volumes` has no effect then.',
    { drivers: sharing, own: true, wall: true, restricting: true, annotation: 'virtio_fs_nosuid' },
  ),
  key(
    'virtio_fs_suid_volumes',
    'virtioFsSuidVolumes',
    pathPatterns,
    [],
    'Directories of the host on which, and below which, a guest may set the set-user-id and set-group-id bits and file capabilities in its writable volumes. Those that kubelet makes are allowed that anyway, as long as only root may enter its directory. Root of a container can then leave a program there that gives rights to users of the host who get to it: name only what other users cannot enter, or what is mounted `nosuid`.',
    { drivers: sharing, own: true, wall: true, annotation: 'virtio_fs_suid_volumes' },
  ),
  key(
    'virtio_fs_cache',
    'virtioFsCache',
    choice(['never', 'metadata', 'auto', 'always'], { none: 'never' }),
    'never',
    'How much the guest caches of shared files.',
    { drivers: sharing, shipped: 'auto', annotation: 'virtio_fs_cache' },
  ),
  key(
    'virtio_fs_queue_size',
    'virtioFsQueueSize',
    integer(8, 1024, ', a power of two', (value) => (value & (value - 1)) === 0),
    1024,
    'Length of the virtio-fs request queue.',
    { drivers: sharing },
  ),
  key(
    'virtio_fs_extra_args',
    'virtioFsExtraArgs',
    daemonArgs,
    [],
    'Further arguments of virtiofsd. An annotation appends to them.',
    { drivers: sharing, shipped: ['--thread-pool-size=1'], annotation: 'virtio_fs_extra_args' },
  ),
]
