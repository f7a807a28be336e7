import { describe, expect, test } from 'bun:test'
import type { HypervisorConfig } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { KataError } from '../../errors.ts'
import { SyscallError } from '../../linux/libc.ts'
import { silentLogger } from '../../log.ts'
import type { AcceleratorForecast } from '../../vmm/kvm/accelerator.ts'
import { type CheckResult, ok } from './check.ts'
import { contextOf, type FakeHost, fakeHost } from './fake-host.ts'
import { fixKvm } from './fix-kvm.ts'
import { hostProbe } from './host-probe.ts'
import { checks, runChecks } from './run-checks.ts'

const owned = (uid: number, gid: number, mode: number) => ({ kind: 'file' as const, uid, gid, mode })

test.each([
  ['root’s', {}, 'ok', '/etc/k/a.toml, which only root can change'],
  ['of a group of root’s', { '/etc/k/a.toml': owned(0, 0, 0o664) }, 'ok', 'only root'],
  [
    'of root’s, with an access list',
    { '/etc/k/a.toml': { ...owned(0, 0, 0o664), hasAcl: true } },
    'warning',
    'can change /etc/k/a.toml, and',
  ],
  ['everybody’s', { '/etc/k/a.toml': owned(0, 0, 0o666) }, 'warning', 'can change /etc/k/a.toml, and'],
  [
    'in a directory of another user',
    { '/etc/k': owned(1000, 0, 0o755) },
    'warning',
    'can change /etc/k, and',
  ],
  [
    'beside drop-ins of a group',
    { '/etc/k/config.d': owned(0, 50, 0o775) },
    'warning',
    'can change /etc/k/config.d, and',
  ],
] as const)('a configuration that is %s', async (_, stats, status, detail) => {
  const host = fakeHost()
  host.stats.set('/etc/k/a.toml', owned(0, 0, 0o644))
  for (const [path, facts] of Object.entries(stats)) host.stats.set(path, facts)
  const { config } = contextOf(host)
  const results = await runChecks({ host, config: { ...config, source: '/etc/k/a.toml' } })
  const found = results.find(({ name }) => name === 'configuration')!
  expect(found.status).toBe(status)
  expect(found.detail).toContain(detail)
})

async function check(
  name: string,
  host: FakeHost,
  changes: Partial<HypervisorConfig> = {},
): Promise<CheckResult> {
  const results = await runChecks(contextOf(host, changes))
  return results.find((result) => result.name === name)!
}

const kvmNode = (gid: number, mode: number, uid = 0) => ({
  kind: 'character-device' as const,
  uid,
  gid,
  mode,
})

test('on a healthy host every check is ok and needs no remedy', async () => {
  const results = await runChecks(contextOf(fakeHost()))
  expect(results.filter(({ status, remedy }) => status !== 'ok' || remedy !== '')).toEqual([])
  expect(new Set(results.map(({ name }) => name)).size).toBe(checks.length)
})

/** Each row: check, what is changed, the status expected, a part of detail or remedy. */
type Row = [
  string,
  string,
  (host: FakeHost) => void,
  Partial<HypervisorConfig>,
  CheckResult['status'],
  string,
]

const forecast = (found: Omit<AcceleratorForecast, 'reason'>) => (host: FakeHost) =>
  void Object.assign(host, { accelerator: () => ({ reason: 'why', ...found }) })

const upperIdsTaken = () => {
  throw new KataError('UPPER_IDS_TAKEN', {
    file: '/etc/passwd',
    line: 2,
    text: 'eve:x:4294967294:0::/:/bin/sh',
  })
}

const withoutLandlock = (host: FakeHost) =>
  void Object.assign(host, { landlockProblem: async () => 'no lsm' })

/** As an older kernel answers. */
const withoutMappedOverlays = (host: FakeHost) =>
  void Object.assign(host, {
    probeMappedOverlay: () =>
      Promise.reject(
        new KataError('SHARE_MOUNT_FAILED', {
          type: 'overlay',
          container: 'trial',
          errno: 'EINVAL',
          call: 'mount overlay on /run/target',
        }),
      ),
  })
const withoutMappedMemory = (host: FakeHost) =>
  void Object.assign(host, {
    probeMappedMemory: () =>
      Promise.reject(
        new KataError('SHARE_NOT_IDMAPPABLE', {
          source: 'a tmpfs',
          container: 'trial',
          what: 'its file system',
          errno: 'EINVAL',
        }),
      ),
  })
const withoutTrial = (host: FakeHost) =>
  void Object.assign(host, {
    probeMappedMemory: () => Promise.reject(new SyscallError('unshare of the mount namespace', 'EPERM')),
  })

const rows: Row[] = [
  [
    'mapped-overlays',
    'refused by the kernel',
    withoutMappedOverlays,
    {},
    'failed',
    'root file systems of containerd, Docker and `run` are refused, unless they are disks',
  ],
  ['mapped-overlays', 'refused, and what helps', withoutMappedOverlays, {}, 'failed', 'Linux 5.19 or later'],
  [
    'mapped-overlays',
    'refused, and virtiofsd may be root',
    withoutMappedOverlays,
    { virtioFsPrivilege: 'auto' },
    'warning',
    '"auto" makes virtiofsd root Use Linux 5.19',
  ],
  [
    'mapped-overlays',
    'refused, and virtiofsd is root',
    withoutMappedOverlays,
    { virtioFsPrivilege: 'root' },
    'ok',
    'not used: virtio_fs_privilege = "root"',
  ],
  [
    'mapped-memory',
    'refused by the kernel',
    withoutMappedMemory,
    {},
    'warning',
    'the token of their service account; other containers are served Use Linux 6.3 or later',
  ],
  [
    'mapped-memory',
    'refused by the kernel of a node of Kubernetes',
    (host) => {
      withoutMappedMemory(host)
      host.stats.set('/var/lib/kubelet', owned(0, 0, 0o755))
    },
    {},
    'failed',
    'Use Linux 6.3 or later. Or let virtiofsd be root: virtio_fs_privilege = "auto" or "root"',
  ],
  [
    'mapped-memory',
    'refused, and virtiofsd may be root',
    withoutMappedMemory,
    { virtioFsPrivilege: 'auto' },
    'warning',
    '"auto" makes virtiofsd root Use Linux 6.3',
  ],
  [
    'mapped-memory',
    'refused, and nothing is shared',
    withoutMappedMemory,
    { sharedFs: 'none' },
    'ok',
    'not used: the VMM shares no directories',
  ],
  [
    'mapped-memory',
    'asked by a user who is not root',
    (host) => {
      withoutMappedMemory(host)
      host.uid = () => 1000
    },
    {},
    'ok',
    'only root can',
  ],
  [
    'mapped-memory',
    'on a host without namespaces of users',
    (host) => {
      withoutTrial(host)
      host.files.set('/proc/sys/user/max_user_namespaces', '0\n')
    },
    {},
    'ok',
    'it takes a namespace of kind user',
  ],
  ['mapped-memory', 'not tried', withoutTrial, {}, 'failed', 'unshare of the mount namespace'],
  ['root', 'not root', (host) => Object.assign(host, { uid: () => 1000 }), {}, 'failed', 'uid 1000'],
  [
    'system',
    'another CPU',
    (host) => Object.assign(host, { architecture: () => 'arm64' }),
    {},
    'failed',
    'arm64',
  ],
  [
    'system',
    'an old kernel',
    (host) => Object.assign(host, { kernelRelease: () => '6.0.0-6-amd64' }),
    {},
    'warning',
    'kernel 6.0.0-6-amd64: tested with 6.1 and later',
  ],
  [
    'system',
    'another distribution',
    (host) => host.files.set('/etc/os-release', 'ID=fedora\n'),
    {},
    'warning',
    'Debian 13',
  ],
  [
    'system',
    'an old Debian',
    (host) => host.files.set('/etc/os-release', 'ID=debian\nVERSION_ID="12"\n'),
    {},
    'warning',
    'no package virtiofsd',
  ],
  [
    'system',
    'an old Debian, with all programs in the bundle',
    (host) => {
      host.files.set('/etc/os-release', 'ID=debian\nVERSION_ID="12"\n')
      host.isBundle = () => true
    },
    {},
    'ok',
    'the bundle brings its own programs',
  ],
  [
    'system',
    'no os-release',
    (host) => host.files.delete('/etc/os-release'),
    {},
    'warning',
    'unknown distribution',
  ],
  [
    'memory',
    'less than a sandbox',
    (host) => host.files.set('/proc/meminfo', 'MemAvailable: 1024000 kB\n'),
    {},
    'warning',
    '1000 MiB available',
  ],
  [
    'memory',
    'enough for a smaller sandbox',
    (host) => host.files.set('/proc/meminfo', 'MemAvailable: 1024000 kB\n'),
    { defaultMemory: 512 },
    'ok',
    '',
  ],
  [
    'memory',
    'hardly any',
    (host) => host.files.set('/proc/meminfo', 'MemAvailable: 100000 kB\n'),
    {},
    'failed',
    'default_memory',
  ],
  ['namespaces', 'one missing', (host) => host.stats.delete('/proc/self/ns/net'), {}, 'failed', 'net'],
  [
    'namespaces',
    'one limited to none',
    (host) => host.files.set('/proc/sys/user/max_ipc_namespaces', '0\n'),
    {},
    'failed',
    'ipc',
  ],
  [
    'namespaces',
    'no users’, which virtiofsd needs',
    (host) => host.files.set('/proc/sys/user/max_user_namespaces', '0\n'),
    {},
    'failed',
    'of kind user',
  ],
  [
    'namespaces',
    'no users’, and virtiofsd is root',
    (host) => host.files.set('/proc/sys/user/max_user_namespaces', '0\n'),
    { virtioFsPrivilege: 'root' },
    'ok',
    'pid',
  ],
  [
    'seccomp',
    'no filters',
    (host) => host.files.delete('/proc/sys/kernel/seccomp/actions_avail'),
    {},
    'failed',
    'CONFIG_SECCOMP_FILTER',
  ],
  [
    'network',
    'no tun driver',
    (host) => {
      host.probeNetwork = () => {
        throw new KataError('NETWORK_TUN_MISSING', { path: '/dev/net/tun' })
      }
    },
    {},
    'failed',
    'modprobe tun',
  ],
  [
    'cgroups',
    'v1',
    (host) => {
      host.files.delete('/sys/fs/cgroup/cgroup.controllers')
      host.stats.set('/sys/fs/cgroup/memory', kvmNode(0, 0))
    },
    {},
    'ok',
    'cgroup v1',
  ],
  [
    'cgroups',
    'none',
    (host) => host.files.delete('/sys/fs/cgroup/cgroup.controllers'),
    {},
    'warning',
    'Mount cgroup2',
  ],
  [
    'overlayfs',
    'a module',
    (host) => {
      host.files.delete('/proc/filesystems')
      host.files.set('/lib/modules/6.12.0-amd64/modules.dep', 'kernel/fs/overlayfs/overlay.ko.xz:\n')
    },
    {},
    'ok',
    'module',
  ],
  [
    'overlayfs',
    'a module of NixOS',
    (host) => {
      host.files.delete('/proc/filesystems')
      const modules = '/run/booted-system/kernel-modules/lib/modules/6.12.0-amd64'
      host.files.set(`${modules}/modules.dep`, 'kernel/fs/overlayfs/overlay.ko.xz:\n')
    },
    {},
    'ok',
    'module',
  ],
  [
    'overlayfs',
    'none',
    (host) => host.files.set('/proc/filesystems', 'nodev\toverlayish\n'),
    {},
    'failed',
    'modprobe overlay',
  ],
  [
    'run-directory',
    'asked by a user who is not root',
    (host) => Object.assign(host, { uid: () => 1000, isWritable: () => false }),
    {},
    'ok',
    'free on /run',
  ],
  [
    'run-directory',
    'read-only',
    (host) => Object.assign(host, { isWritable: (path: string) => path !== '/run' }),
    {},
    'failed',
    '/run cannot be written',
  ],
  [
    'run-directory',
    'missing',
    (host) => Object.assign(host, { freeBytes: () => undefined }),
    {},
    'failed',
    '/run cannot be written',
  ],
  [
    'run-directory',
    'full',
    (host) => Object.assign(host, { freeBytes: () => 1024 }),
    {},
    'failed',
    '0 MiB free',
  ],
  [
    'run-directory',
    'nearly full',
    (host) => Object.assign(host, { freeBytes: () => 64 * 1024 ** 2 }),
    {},
    'warning',
    '64 MiB free',
  ],
  [
    'descriptors',
    'few, and the right to have more',
    (host) => {
      host.files.set('/proc/self/limits', 'Max open files  1024  4096  files\n')
      host.files.set('/proc/self/status', 'CapEff:\t0000000001000000\n')
    },
    {},
    'ok',
    'sandboxes of kata-ts can open 1000000 files of a share',
  ],
  [
    'descriptors',
    'few, without it, for containerd alone',
    (host) => {
      host.directories.set('/proc', ['1', '77', 'self'])
      host.files.set('/proc/77/comm', 'containerd\n')
      host.files.set('/proc/77/limits', 'Max open files  1024  4096  files\n')
      host.files.set('/proc/77/status', 'CapEff:\t000001fffeffffff\n')
    },
    {},
    'warning',
    'sandboxes of containerd can open 4096 files of a share; beyond that, directory listings in the guest end early Set LimitNOFILE',
  ],
  [
    'descriptors',
    'a low bound of the kernel’s',
    (host) => {
      host.files.set('/proc/sys/fs/nr_open', '65536\n')
      host.files.set('/proc/self/limits', 'Max open files  1024  65536  files\n')
    },
    {},
    'warning',
    'fs.nr_open',
  ],
  ['descriptors', 'nothing shared', (host) => host.files.clear(), { sharedFs: 'none' }, 'ok', 'not limited'],
  ['cpu', 'AMD', (host) => host.files.set('/proc/cpuinfo', 'flags : fpu svm\n'), {}, 'ok', 'svm'],
  [
    'cpu',
    'neither, auto',
    (host) => host.files.set('/proc/cpuinfo', 'flags : fpu vmxnet\n'),
    {},
    'warning',
    'TCG',
  ],
  [
    'cpu',
    'neither, kvm',
    (host) => host.files.delete('/proc/cpuinfo'),
    { accelerator: 'kvm' },
    'failed',
    'neither vmx nor svm',
  ],
  [
    'cpu',
    'neither, tcg',
    (host) => host.files.delete('/proc/cpuinfo'),
    { accelerator: 'tcg' },
    'ok',
    'not used',
  ],
  [
    'kvm',
    'root:root, by descriptor',
    (host) => host.stats.set('/dev/kvm', kvmNode(0, 0o600)),
    { accelerator: 'kvm', kvmAccess: 'descriptor' },
    'ok',
    'handed over as a descriptor',
  ],
  [
    'vhost-net',
    'missing',
    (host) => host.stats.delete('/dev/vhost-net'),
    {},
    'warning',
    'modprobe vhost_net',
  ],
  [
    'vhost-net',
    'missing and not wanted',
    (host) => host.stats.delete('/dev/vhost-net'),
    { disableVhostNet: true },
    'ok',
    'not used: disable_vhost_net',
  ],
  [
    'vhost-vsock',
    'missing and asked for',
    (host) => host.stats.delete('/dev/vhost-vsock'),
    { agentChannel: 'vsock' },
    'failed',
    'modprobe vhost_vsock',
  ],
  [
    'vhost-vsock',
    'missing, auto',
    (host) => host.stats.delete('/dev/vhost-vsock'),
    { agentChannel: 'auto' },
    'ok',
    'not used: agent_channel = "auto"; to have it: run `modprobe vhost_vsock`',
  ],
  [
    'vhost-vsock',
    'missing, and a guest of the user’s',
    (host) => host.stats.delete('/dev/vhost-vsock'),
    { agentChannel: 'auto', initrd: '/srv/kata.initrd' },
    'warning',
    "an agent that speaks only vsock, such as Kata's, cannot be reached",
  ],
  ['huge-pages', 'not asked for', () => {}, {}, 'ok', '4096 MiB free in pages of 2048 KiB; not used'],
  [
    'huge-pages',
    'too few',
    (host) =>
      host.files.set('/proc/meminfo', 'HugePages_Free: 100\nHugePages_Rsvd: 90\nHugepagesize: 2048 kB\n'),
    { enableHugepages: true, defaultMemory: 256 },
    'failed',
    'vm.nr_hugepages',
  ],
  [
    'huge-pages',
    'none in this kernel',
    (host) => host.files.delete('/proc/meminfo'),
    { enableHugepages: true },
    'failed',
    'vm.nr_hugepages',
  ],
  [
    'tpm',
    'missing',
    (host) => host.commands.delete('/usr/bin/swtpm --version'),
    {},
    'ok',
    'apt-get install swtpm',
  ],
  [
    'tpm',
    'missing and asked for',
    (host) => host.commands.delete('/usr/bin/swtpm --version'),
    { enableTpm: true },
    'failed',
    'apt-get install swtpm',
  ],
  ['vfio', 'not asked for', () => {}, {}, 'ok', '/dev/iommu, and vfio0; not used'],
  ['vfio', 'there', () => {}, { hotPlugVfio: 'root-port' }, 'ok', '/dev/iommu, and vfio0'],
  [
    'vfio',
    'no IOMMU',
    (host) => host.directories.delete('/sys/kernel/iommu_groups'),
    { coldPlugVfio: 'root-port' },
    'failed',
    'intel_iommu=on',
  ],
  [
    'vfio',
    'no iommufd',
    (host) => host.stats.delete('/dev/iommu'),
    { hotPlugVfio: 'root-port' },
    'failed',
    'modprobe iommufd',
  ],
  [
    'vfio',
    'nothing bound',
    (host) => host.directories.set('/sys/class/vfio-dev', ['noiommu-vfio0']),
    { hotPlugVfio: 'root-port' },
    'failed',
    'driverctl',
  ],
  ['kvm', 'missing, auto', (host) => host.stats.delete('/dev/kvm'), {}, 'warning', 'does not exist'],
  [
    'kvm',
    'missing, kvm',
    (host) => host.stats.delete('/dev/kvm'),
    { accelerator: 'kvm' },
    'failed',
    'does not exist',
  ],
  ['kvm', 'missing, tcg', (host) => host.stats.delete('/dev/kvm'), { accelerator: 'tcg' }, 'ok', 'not used'],
  [
    'kvm',
    'a file',
    (host) => host.stats.set('/dev/kvm', { ...kvmNode(993, 0o660), kind: 'file' }),
    { accelerator: 'kvm' },
    'failed',
    'not a device',
  ],
  [
    'kvm',
    'root:root, auto',
    (host) => host.stats.set('/dev/kvm', kvmNode(0, 0o660)),
    {},
    'warning',
    'groupadd kvm -r',
  ],
  [
    'kvm',
    'root:root, kvm',
    (host) => host.stats.set('/dev/kvm', kvmNode(0, 0o660)),
    { accelerator: 'kvm' },
    'failed',
    '--fix-kvm',
  ],
  [
    'kvm',
    'root:root, rootless off',
    (host) => host.stats.set('/dev/kvm', kvmNode(0, 0o660)),
    { accelerator: 'kvm', rootless: false },
    'warning',
    'rootless',
  ],
  [
    'kvm',
    'closed to its group',
    (host) => host.stats.set('/dev/kvm', kvmNode(993, 0o640)),
    { accelerator: 'kvm' },
    'failed',
    'mode 0640',
  ],
  [
    'kvm',
    'world-writable',
    (host) => host.stats.set('/dev/kvm', kvmNode(993, 0o666)),
    { accelerator: 'kvm' },
    'warning',
    'every user',
  ],
  [
    'kvm',
    'owned by a user',
    (host) => host.stats.set('/dev/kvm', kvmNode(993, 0o660, 1000)),
    {},
    'warning',
    'its owner',
  ],
  [
    'kvm',
    'a group of another name',
    (host) => host.stats.set('/dev/kvm', kvmNode(36, 0o660)),
    {},
    'ok',
    'group 36',
  ],
  [
    'kvm',
    'of root alone, for a VMM with a node of its own',
    (host) => host.stats.set('/dev/kvm', kvmNode(0, 0o600)),
    { driver: 'firecracker', accelerator: 'kvm' },
    'ok',
    'a node of its own',
  ],
  [
    'firecracker',
    'too old',
    (host) => host.commands.set('/opt/firecracker --version', { code: 0, text: 'Firecracker v1.7.0\n' }),
    { driver: 'firecracker', path: '/opt/firecracker' },
    'failed',
    'older than 1.8',
  ],
  [
    'firecracker',
    'too old for what is asked of it',
    (host) => host.commands.set('/opt/firecracker --version', { code: 0, text: 'Firecracker v1.13.0\n' }),
    { driver: 'firecracker', path: '/opt/firecracker', reclaimGuestFreedMemory: true },
    'failed',
    'older than 1.14',
  ],
  [
    'jailer',
    'of another release',
    (host) => {
      host.commands.set('/opt/firecracker --version', { code: 0, text: 'Firecracker v1.14.0\n' })
      host.commands.set('/opt/jailer --version', { code: 0, text: 'Jailer v1.13.1\n' })
    },
    { driver: 'firecracker', path: '/opt/firecracker', jailerPath: '/opt/jailer' },
    'failed',
    'not of the same release',
  ],
  ['qemu', 'not the VMM', () => {}, { driver: 'clh', path: '/opt/clh' }, 'ok', '[hypervisor.clh]'],
  ['cloud-hypervisor', 'missing', () => {}, { driver: 'clh', path: '/opt/clh' }, 'failed', '/opt/clh'],
  [
    'cloud-hypervisor',
    'too old',
    (host) => host.commands.set('/opt/clh --version', { code: 0, text: 'cloud-hypervisor v51.0\n' }),
    { driver: 'clh', path: '/opt/clh' },
    'failed',
    'older than 52.0',
  ],
  ['virtiofsd', 'nothing shared', (host) => host.commands.clear(), { sharedFs: 'none' }, 'ok', 'not used'],
  ['shim', 'where our own pages put it', () => {}, {}, 'ok', '/usr/local/bin/containerd-shim-kata-ts-v2'],
  [
    'shim',
    'nowhere that containerd looks',
    (host) => host.commands.delete('/usr/local/bin/containerd-shim-kata-ts-v2 --version'),
    {},
    'warning',
    'ln -s',
  ],
  [
    'shim',
    'of another version, in front of ours',
    (host) =>
      host.commands.set('/usr/local/bin/containerd-shim-kata-ts-v2 --version', {
        code: 0,
        text: 'containerd-shim-kata-ts-v2:\n  Version:  0.0.9\n  Revision: abc\n',
      }),
    {},
    'warning',
    'is version 0.0.9',
  ],
  [
    'jail-tools',
    'only where an administrator installs by hand',
    (host) => {
      host.tools.delete('setpriv')
      host.commands.set('/usr/local/bin/setpriv --version', { code: 0, text: '' })
    },
    {},
    'failed',
    'setpriv',
  ],
  [
    'kvm',
    'a group that owns more, as under systemd',
    (host) => host.stats.set('/dev/vhost-vsock', kvmNode(993, 0o660)),
    {},
    'ok',
    'that group opens /dev/vhost-vsock, too',
  ],
  ['accelerator', 'kvm, shown', () => {}, {}, 'ok', 'kvm (a guest booted with it)'],
  ['accelerator', 'tcg by name', forecast({ accelerator: 'tcg' }), { accelerator: 'tcg' }, 'ok', 'tcg (why)'],
  ['accelerator', 'tcg by auto', forecast({ accelerator: 'tcg' }), {}, 'warning', 'no security boundary'],
  ['accelerator', 'not tried yet', forecast({ accelerator: 'unknown' }), {}, 'ok', 'auto: why'],
  [
    'accelerator',
    'tried in vain',
    forecast({ accelerator: 'unknown', failure: { works: false, reason: 'it hung', at: 1, variant: '' } }),
    {},
    'warning',
    'dial_timeout',
  ],
  ['qemu', 'missing', () => {}, { path: '/opt/qemu' }, 'failed', 'apt-get install qemu-system-x86'],
  [
    'qemu',
    'too old',
    (host) =>
      host.commands.set('/usr/bin/qemu-system-x86_64 --version', {
        code: 0,
        text: 'QEMU emulator version 7.2.0',
      }),
    {},
    'failed',
    'older than 8.0',
  ],
  [
    'qemu',
    'just new enough',
    (host) =>
      host.commands.set('/usr/bin/qemu-system-x86_64 --version', {
        code: 0,
        text: 'QEMU emulator version 8.0.0',
      }),
    {},
    'ok',
    '8.0.0',
  ],
  [
    'qemu',
    'broken',
    (host) => host.commands.set('/usr/bin/qemu-system-x86_64 --version', { code: 139, text: 'bang' }),
    {},
    'failed',
    '139): bang',
  ],
  ['qemu-features', 'missing program', () => {}, { path: '/opt/qemu' }, 'failed', '/opt/qemu'],
  [
    'qemu-features',
    'without a device',
    (host) =>
      host.commands.set('/usr/bin/qemu-system-x86_64 -device help', {
        code: 0,
        text: 'vhost-user-fs-pci-transitional virtio-serial-pci virtserialport pcie-root-port',
      }),
    {},
    'failed',
    'lacks vhost-user-fs-pci',
  ],
  [
    'qemu-features',
    'without memfd',
    (host) => host.commands.delete('/usr/bin/qemu-system-x86_64 -machine none -object help'),
    {},
    'failed',
    'memory-backend-memfd',
  ],
  [
    'qemu-features',
    'without kvm, auto',
    (host) => host.commands.set('/usr/bin/qemu-system-x86_64 -accel help', { code: 0, text: 'tcg' }),
    {},
    'failed',
    'lacks kvm',
  ],
  [
    'qemu-features',
    'without kvm, tcg',
    (host) => host.commands.set('/usr/bin/qemu-system-x86_64 -accel help', { code: 0, text: 'tcg' }),
    { accelerator: 'tcg' },
    'ok',
    '',
  ],
  [
    'virtiofsd',
    'missing',
    (host) => host.commands.delete('/usr/libexec/virtiofsd --version'),
    {},
    'failed',
    'apt-get install virtiofsd',
  ],
  [
    'virtiofsd',
    'broken',
    (host) => host.commands.set('/usr/libexec/virtiofsd --version', { code: 1, text: 'bang' }),
    {},
    'failed',
    'bang',
  ],
  ['container-network', 'no pasta', (host) => host.tools.delete('pasta'), {}, 'warning', 'install passt`'],
  ['container-network', 'no nft', (host) => host.tools.delete('nft'), {}, 'warning', '--network none'],
  [
    'container-network',
    'no user namespaces for those who are not root',
    (host) => host.files.set('/proc/sys/kernel/unprivileged_userns_clone', '0\n'),
    {},
    'warning',
    'kernel.unprivileged_userns_clone=1',
  ],
  [
    'container-network',
    'user namespaces without rights, by AppArmor',
    (host) => host.files.set('/proc/sys/kernel/apparmor_restrict_unprivileged_userns', '1\n'),
    {},
    'warning',
    'kernel.apparmor_restrict_unprivileged_userns=0',
  ],
  ['registries', 'no skopeo', (host) => host.tools.delete('skopeo'), {}, 'warning', 'not pulled'],
  ['jail-tools', 'no bash', (host) => host.tools.delete('bash'), {}, 'failed', 'not found: bash'],
  ['landlock', 'does not hold', withoutLandlock, {}, 'failed', 'landlock = "best-effort"'],
  [
    'landlock',
    'accepted',
    withoutLandlock,
    { landlock: 'best-effort' },
    'warning',
    'no lsm: VMMs run without',
  ],
  [
    'walls',
    'no Landlock',
    withoutLandlock,
    { landlock: 'best-effort' },
    'warning',
    'landlock: the VMM runs without',
  ],
  ['rootless', 'off', () => {}, { rootless: false }, 'warning', 'run as root'],
  ['walls', 'the VMM as root', () => {}, { rootless: false }, 'warning', 'rootless: the VMM runs as root'],
  ['walls', 'emulation', forecast({ accelerator: 'tcg' }), {}, 'warning', 'no security boundary'],
  [
    'walls',
    'emulation by name',
    forecast({ accelerator: 'tcg' }),
    { accelerator: 'tcg' },
    'warning',
    'accelerator = "tcg" asks',
  ],
  ['walls', 'virtiofsd as root', () => {}, { virtioFsPrivilege: 'root' }, 'warning', 'virtiofsd is root'],
  [
    'account',
    'asked by a user who is not root',
    (host) => Object.assign(host, { uid: () => 1000, isWritable: () => false }),
    {},
    'ok',
    'only root can try',
  ],
  ['account', 'no useradd', (host) => host.tools.delete('useradd'), {}, 'failed', 'rootless_account'],
  [
    'account',
    'read-only /etc',
    (host) => Object.assign(host, { isWritable: (path: string) => path !== '/etc' }),
    {},
    'failed',
    '"userdb"',
  ],
  [
    'account',
    'read-only /etc, userdb',
    (host) => Object.assign(host, { isWritable: (path: string) => path !== '/etc' }),
    { rootlessAccount: 'userdb' },
    'ok',
    '/run/userdb',
  ],
  [
    'account',
    'userdb that nobody resolves',
    (host) => host.files.set('/etc/nsswitch.conf', 'passwd: files\ngroup: systemd\n'),
    { rootlessAccount: 'userdb' },
    'warning',
    'libnss-systemd',
  ],
  [
    'account',
    'bare numbers',
    (host) => host.tools.delete('useradd'),
    { rootlessAccount: 'none' },
    'ok',
    'bare numbers',
  ],
  ['account', 'rootless off', (host) => host.tools.delete('useradd'), { rootless: false }, 'ok', 'not used'],
  [
    'uid-range',
    'rootless off',
    (host) =>
      Object.assign(host, {
        checkUidRange: () => {
          throw new Error('asked')
        },
      }),
    { rootless: false, virtioFsPrivilege: 'root' },
    'ok',
    'not used',
  ],
  [
    'uid-range',
    'somebody has ids of the upper half',
    (host) => Object.assign(host, { checkUpperIds: upperIdsTaken }),
    {},
    'failed',
    'virtio_fs_privilege = "root"',
  ],
  [
    'uid-range',
    'somebody has ids of the upper half, and virtiofsd is root',
    (host) => Object.assign(host, { checkUpperIds: upperIdsTaken }),
    { virtioFsPrivilege: 'root' },
    'ok',
    'which no account uses',
  ],
  [
    'uid-range',
    'the check breaks',
    (host) =>
      Object.assign(host, {
        checkUidRange: () => {
          throw new Error('bang')
        },
      }),
    {},
    'failed',
    'itself broke: bang',
  ],
  [
    'guest-image',
    'missing',
    (host) =>
      Object.assign(host, { verifyImage: () => Promise.reject(new KataError('NOT_ROOT', { what: 'x' })) }),
    {},
    'failed',
    'x must be run as root',
  ],
  [
    'guest-image',
    'the check breaks',
    (host) => Object.assign(host, { verifyImage: () => Promise.reject(new Error('bang')) }),
    {},
    'failed',
    'itself broke: bang',
  ],
]

test.each(rows)('%s: %s', async (name, _what, change, config, status, part) => {
  const host = fakeHost()
  change(host)
  const result = await check(name, host, config)
  expect(result.status).toBe(status)
  expect(`${result.detail} ${result.remedy}`).toContain(part)
  expect(result.remedy === '').toBe(status === 'ok')
})

test('the seccomp profiles of containers are a wall of their own beside the filters of the host', async () => {
  const { host, config } = contextOf(fakeHost())
  const runtime = { ...config.runtime, disableGuestSeccomp: true }
  const results = await runChecks({ host, config: { ...config, runtime } })
  expect(results.find(({ name }) => name === 'walls')).toMatchObject({
    status: 'warning',
    detail: expect.stringContaining('seccomp: containers run without their seccomp profiles'),
    remedy: 'Set disable_guest_seccomp = false in [runtime].',
  })
})

test('an overlap of the uid range is reported with its own remedy', async () => {
  const overlap = new KataError('CONFIG_CONFLICT', {
    where: '/etc/subuid',
    reason: 'overlap',
    hint: 'Move it.',
  })
  const host = fakeHost({
    checkUidRange: () => {
      throw overlap
    },
  })
  expect(await check('uid-range', host)).toEqual({
    name: 'uid-range',
    status: 'failed',
    detail: '/etc/subuid: overlap',
    remedy: 'Move it.',
  })
})

test('every check comes to a result on the real host', async () => {
  const config = loadConfig({ env: {}, searchPaths: [], log: silentLogger })
  const results = await runChecks({ host: hostProbe(), config })
  expect(results.map(({ name }) => name)).toEqual(checks.map(({ name }) => name))
  expect(results.filter(({ detail }) => detail.includes('itself broke'))).toEqual([])
  expect(results.find(({ name }) => name === 'seccomp')?.status).toBe('ok')
})

test('a list of own checks can be run', async () => {
  expect(await runChecks(contextOf(fakeHost()), [{ name: 'a', run: () => ok('fine') }])).toEqual([
    { name: 'a', status: 'ok', detail: 'fine', remedy: '' },
  ])
})

describe('fixKvm', () => {
  const done = { code: 0, text: '' }
  const withCommands = (...commands: string[]) => {
    const host = fakeHost()
    for (const command of commands) host.commands.set(`/usr/bin/${command}`, done)
    return host
  }
  const three = ['groupadd kvm -r', 'chown root:kvm /dev/kvm', 'chmod 660 /dev/kvm']

  test('runs exactly the three documented commands, in order', async () => {
    const host = withCommands(...three)
    host.files.set('/etc/group', 'root:x:0:\nkvmlike:x:5:\n')
    const steps = await fixKvm(host)
    expect(host.ran).toEqual(three.map((command) => `/usr/bin/${command}`))
    expect(steps).toEqual(three.map((command) => ({ command, status: 'done', detail: '' })))
  })

  test('does not make a group that exists', async () => {
    const host = withCommands(...three)
    expect((await fixKvm(host)).map(({ status }) => status)).toEqual(['not needed', 'done', 'done'])
    expect(host.ran).toEqual(three.slice(1).map((command) => `/usr/bin/${command}`))
  })

  test('stops at the first command that fails and says why', async () => {
    const host = withCommands('chmod 660 /dev/kvm')
    expect((await fixKvm(host)).at(-1)).toEqual({
      command: 'chown root:kvm /dev/kvm',
      status: 'failed',
      detail: 'exit code 127: not found',
    })
    host.tools.delete('chown')
    expect((await fixKvm(host)).at(-1)?.detail).toBe('chown was not found')
  })

  test('refuses without root, without the node, and when the path is not a device', async () => {
    await expect(fixKvm(fakeHost({ uid: () => 1000 }))).rejects.toThrow('[NOT_ROOT]')
    for (const node of [undefined, { ...kvmNode(0, 0o777), kind: 'other' as const }]) {
      const host = fakeHost({ stat: () => node })
      await expect(fixKvm(host)).rejects.toThrow('[KVM_MISSING]')
      expect(host.ran).toEqual([])
    }
  })
})
