/** Keys about the VMM program and what it boots. */
import type { Accelerator, RootfsType } from '../config.ts'
import { type Key, keysOf } from '../key-spec.ts'
import { boolean, choice, path, words } from '../value-types.ts'

export interface BootFields {
  /** The VMM program. */
  readonly path: string
  /** `kernel`, `initrd`, `image`: empty means the image that `kata-ts guest build` made. */
  readonly kernel: string
  readonly initrd: string
  readonly image: string
  /** The file system of the image. */
  readonly rootfsType: RootfsType
  /** Split at white space, appended last. */
  readonly kernelParams: readonly string[]
  readonly accelerator: Accelerator
  readonly entropySource: string
  readonly enableDebug: boolean
}

const key = keysOf('hypervisor')

export const bootKeys = (): readonly Key[] => [
  // Each driver says where its own is.
  key('path', 'path', path(), '', 'The VMM program.', {
    annotation: 'path',
    allowList: { field: 'validHypervisorPaths', key: 'valid_hypervisor_paths' },
  }),
  key(
    'kernel',
    'kernel',
    path('the kernel of `kata-ts guest build`'),
    '',
    'Guest kernel, uncompressed (ELF with a PVH note).',
    { annotation: 'kernel', example: '/opt/guest/vmlinux' },
  ),
  key(
    'initrd',
    'initrd',
    path('the initrd of `kata-ts guest build`'),
    '',
    'Guest initrd. Excludes `image`.',
    { annotation: 'initrd', example: '/opt/guest/initrd' },
  ),
  key(
    'image',
    'image',
    path('none'),
    '',
    'Guest root file system: a raw disk image with the file system on the whole disk or on its first partition, and the agent as /sbin/init. Guests only read it, so all sandboxes can share one. Excludes `initrd`. The initrd of `kata-ts guest build` mounts it; with your own `kernel` there is no initrd: that kernel must have virtio-blk and the file system built in, and uses the first partition unless `kernel_params` say otherwise (`root=/dev/vda`).',
    { annotation: 'image', example: '/opt/guest/rootfs.img' },
  ),
  key(
    'rootfs_type',
    'rootfsType',
    choice(['ext4', 'xfs', 'erofs']),
    'ext4',
    'File system of `image`. The guest kernel must support it; the kernel of `kata-ts guest build` supports ext4.',
  ),
  key('kernel_params', 'kernelParams', words, [], 'Kernel parameters, appended last.', {
    annotation: 'kernel_params',
    example: 'loglevel=7 transparent_hugepage=never',
  }),
  key(
    'accelerator',
    'accelerator',
    choice(['auto', 'kvm', 'tcg']),
    'kvm',
    '`kvm` requires KVM: without it nothing starts. `tcg` emulates the machine, which is slow and no security boundary; it never opens /dev/kvm, and the VMM has no group at all. `auto` uses KVM if a guest really boots with it; a small trial machine tests this once per boot of the host, within dial_timeout. Otherwise it uses TCG for this start, with a warning. The other VMMs have KVM only.',
    { builtIn: 'auto', optional: true, own: true, wall: true },
  ),
  key(
    'entropy_source',
    'entropySource',
    path(),
    '/dev/urandom',
    "Where the guest's random numbers come from.",
    {
      optional: true,
      annotation: 'entropy_source',
      example: '/dev/urandom',
      allowList: { field: 'validEntropySources', key: 'valid_entropy_sources' },
    },
  ),
  key(
    'enable_debug',
    'enableDebug',
    boolean,
    false,
    'Makes the guest kernel print its boot on the console (console.log in the state directory).',
  ),
]
