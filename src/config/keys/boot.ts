/** Keys about the VMM program and what it boots. */
import { keysOf } from '../key-spec.ts'
import { boolean, choice, path, string, words } from '../value-types.ts'

/** QEMU's whole `-sandbox` line; an empty `seccompsandbox` means it. */
export const fullSeccompSandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'

const sandboxLine =
  /^(on(,(obsolete|elevateprivileges|spawn|resourcecontrol)=(allow|deny)|,elevateprivileges=children)*)?$/
const cpuFeature = '[+-]?[a-zA-Z0-9][a-zA-Z0-9._-]*(=[a-zA-Z0-9._-]+)?'
const cpuFeatures = new RegExp(`^(${cpuFeature}(,${cpuFeature})*)?$`)

const key = keysOf('hypervisor')

export const bootKeys = [
  key('path', 'path', path(), '/usr/bin/qemu-system-x86_64', 'The VMM program.', {
    perDriver: {
      clh: { absent: '/usr/bin/cloud-hypervisor' },
      firecracker: { absent: '/usr/bin/firecracker' },
    },
    annotation: 'path',
    allowList: { field: 'validHypervisorPaths', key: 'valid_hypervisor_paths' },
  }),
  key(
    'jailer_path',
    'jailerPath',
    path(),
    '/usr/bin/jailer',
    'The jailer that starts Firecracker. It is always used (Kata: an empty path starts Firecracker without it).',
    {
      drivers: ['firecracker'],
      wall: true,
      annotation: 'jailer_path',
      allowList: { field: 'validJailerPaths', key: 'valid_jailer_paths' },
    },
  ),
  key(
    'kernel',
    'kernel',
    path('the kernel of `kata-ts image build`'),
    '',
    'Guest kernel, uncompressed (ELF with a PVH note).',
    { annotation: 'kernel' },
  ),
  key(
    'initrd',
    'initrd',
    path('the initrd of `kata-ts image build`'),
    '',
    'Guest initrd. Excludes `image`.',
    { annotation: 'initrd' },
  ),
  key(
    'image',
    'image',
    path('none'),
    '',
    'Guest root file system: a raw disk image with the file system on the whole disk or on its first partition, and the agent as /sbin/init. Guests only read it, so all sandboxes can share one. Excludes `initrd`. The initrd of `kata-ts image build` mounts it; with a `kernel` of your own there is no initrd: that kernel must have virtio-blk and the file system built in, and takes the first partition unless `kernel_params` say otherwise (`root=/dev/vda`).',
    { annotation: 'image' },
  ),
  key(
    'rootfs_type',
    'rootfsType',
    choice(['ext4', 'xfs', 'erofs']),
    'ext4',
    'File system of `image`. The guest kernel must support it; the kernel of `kata-ts image build` supports ext4.',
  ),
  key('kernel_params', 'kernelParams', words, [], 'Kernel parameters, appended last.', {
    annotation: 'kernel_params',
  }),
  key('machine_type', 'machineType', choice(['q35']), 'q35', 'QEMU machine type.', {
    drivers: ['qemu'],
    annotation: 'machine_type',
  }),
  key(
    'cpu_features',
    'cpuFeatures',
    string(cpuFeatures, 'CPU features of QEMU separated by commas, for instance "vmx=on,-avx"'),
    '',
    'Added to the CPU model. Performance counters and nested virtualisation are off unless this asks for them (`pmu=on`, `vmx=on`, `svm=on`).',
    { drivers: ['qemu'], annotation: 'cpu_features' },
  ),
  key(
    'accelerator',
    'accelerator',
    choice(['auto', 'kvm', 'tcg']),
    'kvm',
    '`kvm` insists: without KVM nothing starts. `tcg` emulates the machine, which is slow and no security boundary; it never opens /dev/kvm, and the VMM has no group at all. `auto` uses KVM if a guest really boots with it, which a small trial machine shows once per boot of the host, within dial_timeout; otherwise it uses TCG for this start, with a warning. The other VMMs have KVM only.',
    { builtIn: 'auto', drivers: ['qemu'], own: true, wall: true },
  ),
  key(
    'seccompsandbox',
    'seccompSandbox',
    string(
      sandboxLine,
      `"" or a line that begins with "on" and names obsolete, elevateprivileges, spawn, resourcecontrol`,
    ),
    fullSeccompSandbox,
    "QEMU's `-sandbox` value. Empty means the whole line (Kata: off); it cannot be switched off.",
    { drivers: ['qemu'], wall: true, aliases: ['seccomp_sandbox'] },
  ),
  key(
    'entropy_source',
    'entropySource',
    path(),
    '/dev/urandom',
    "Where the guest's random numbers come from.",
    {
      drivers: ['qemu', 'clh'],
      annotation: 'entropy_source',
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
