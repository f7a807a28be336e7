/** Keys about host directories in the guest. */
import type { VirtioFsCache, VirtioFsPrivilege } from '../config.ts'
import { daemonArgs } from '../daemon-args.ts'
import { type Key, keysOf } from '../key-spec.ts'
import { boolean, choice, integer, path, pathPatterns } from '../value-types.ts'

export interface ShareFields {
  /** Always `none` for a VMM that shares no directories. */
  readonly sharedFs: 'virtio-fs' | 'none'
  readonly virtioFsDaemon: string
  readonly virtioFsCache: VirtioFsCache
  readonly virtioFsPrivilege: VirtioFsPrivilege
  readonly virtioFsNosuid: boolean
  /** Patterns of directories of the host. */
  readonly virtioFsSuidVolumes: readonly string[]
  readonly virtioFsQueueSize: number
  readonly virtioFsExtraArgs: readonly string[]
}

const key = keysOf('hypervisor')

export const shareKeys = (): readonly Key[] => [
  key(
    'shared_fs',
    'sharedFs',
    choice(['virtio-fs', 'none']),
    'virtio-fs',
    'How host directories reach the guest. `none`: not at all, and no virtiofsd runs. Root file systems are then disks, read-only mounts are copied into the guest, and writable directories are refused.',
    {
      optional: true,
      annotation: 'shared_fs',
      example: 'virtio-fs',
    },
  ),
  key(
    'virtio_fs_daemon',
    'virtioFsDaemon',
    path(),
    '/usr/libexec/virtiofsd',
    'The virtiofsd program (Kata: no default).',
    {
      optional: true,
      annotation: 'virtio_fs_daemon',
      example: '/usr/libexec/virtiofsd',
      allowList: { field: 'validVirtioFsDaemonPaths', key: 'valid_virtio_fs_daemon_paths' },
    },
  ),
  key(
    'virtio_fs_privilege',
    'virtioFsPrivilege',
    choice(['auto', 'unprivileged', 'root']),
    'unprivileged',
    'Who virtiofsd is on the host. `unprivileged`: its own user, who sees the share through idmapped mounts. `root`: root in a sandbox with few capabilities. `auto`: root only where a share cannot be idmapped, so the author of a pod decides by its volumes.',
    { optional: true, own: true, wall: true, annotation: 'virtio_fs_privilege', example: 'unprivileged' },
  ),
  key(
    'virtio_fs_nosuid',
    'virtioFsNosuid',
    boolean,
    false,
    'Forbids the guest to set set-user-id bits, set-group-id bits and file capabilities on any file that it shares with the host. On writable volumes they are forbidden in any case; with this key a container cannot install such programs (sudo, su) into its own root file system either. Those in its image work. `virtio_fs_suid_volumes` then has no effect.',
    {
      optional: true,
      own: true,
      wall: true,
      restricting: true,
      annotation: 'virtio_fs_nosuid',
      example: 'true',
    },
  ),
  key(
    'virtio_fs_suid_volumes',
    'virtioFsSuidVolumes',
    pathPatterns,
    [],
    'Directories of the host on which, and below which, a guest may set set-user-id and set-group-id bits and file capabilities in its writable volumes. Root of a container can then leave a program there that gives its rights to any user of the host who can reach it: list only directories that other users cannot enter, or that are mounted `nosuid`. Volumes that kubelet makes need no entry, as long as only root may enter its directory.',
    {
      optional: true,
      own: true,
      wall: true,
      annotation: 'virtio_fs_suid_volumes',
      example: '["/srv/scratch"]',
    },
  ),
  key(
    'virtio_fs_cache',
    'virtioFsCache',
    choice(['never', 'metadata', 'auto', 'always'], { none: 'never' }),
    'never',
    'How much the guest caches of shared files. `auto`: cached data of a file is dropped when the file is opened again. With `auto`, the root file system of a single container (no pod) is cached as by `always`, if kata-ts mounts it and no host directory is mounted read-only: nothing but the container changes it.',
    { optional: true, shipped: 'auto', annotation: 'virtio_fs_cache', example: 'never' },
  ),
  key(
    'virtio_fs_queue_size',
    'virtioFsQueueSize',
    integer(8, 1024, ', a power of two', (value) => (value & (value - 1)) === 0),
    1024,
    'Length of the virtio-fs request queue.',
    { optional: true },
  ),
  key(
    'virtio_fs_extra_args',
    'virtioFsExtraArgs',
    daemonArgs,
    [],
    'Further arguments for virtiofsd. An annotation appends to them: a JSON list, or arguments with commas between them, as for runtime-rs.',
    {
      optional: true,
      shipped: ['--thread-pool-size=1'],
      annotation: 'virtio_fs_extra_args',
      example: '["--xattr"]',
    },
  ),
]
