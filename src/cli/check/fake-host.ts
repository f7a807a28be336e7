/** A host on which every check is ok, for tests; each test changes what it is about. */
import type { HypervisorConfig } from '../../config/config.ts'
import { builtInConfig } from '../../config/load.ts'
import { version } from '../../version.ts'
import type { CheckContext } from './check.ts'
import type { CommandOutput, FileFacts, HostProbe } from './host-probe.ts'

export interface FakeHost extends HostProbe {
  readonly files: Map<string, string>
  readonly stats: Map<string, FileFacts>
  readonly directories: Map<string, readonly string[]>
  /** Output by the joined argv; a command that is not here ends with 127. */
  readonly commands: Map<string, CommandOutput>
  readonly ran: string[]
  readonly tools: Set<string>
}

const qemu = '/usr/bin/qemu-system-x86_64'
const out = (text: string): CommandOutput => ({ code: 0, text })

export function fakeHost(changes: Partial<HostProbe> = {}): FakeHost {
  const files = new Map([
    ['/etc/os-release', 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n'],
    ['/etc/group', 'root:x:0:\nkvm:x:993:\n'],
    ['/etc/nsswitch.conf', 'passwd: files systemd\n'],
    ['/proc/cpuinfo', 'processor\t: 0\nflags\t\t: fpu vmx sse\n'],
    [
      '/proc/meminfo',
      'MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\nHugePages_Free: 2048\nHugepagesize: 2048 kB\n',
    ],
    ['/proc/filesystems', 'nodev\toverlay\n\text4\n'],
    ['/proc/sys/kernel/seccomp/actions_avail', 'kill_process kill_thread trap errno trace log allow\n'],
    ['/sys/fs/cgroup/cgroup.controllers', 'cpu memory pids\n'],
    ['/proc/sys/fs/nr_open', '1048576\n'],
    ['/proc/self/limits', 'Max open files            1024                 524288               files\n'],
  ])
  const stats = new Map<string, FileFacts>([
    ['/dev/kvm', { kind: 'character-device', uid: 0, gid: 993, mode: 0o660 }],
    ...['/dev/vhost-net', '/dev/vhost-vsock', '/dev/iommu'].map((path): [string, FileFacts] => [
      path,
      { kind: 'character-device', uid: 0, gid: 0, mode: 0o600 },
    ]),
    ...['mnt', 'ipc', 'uts', 'net', 'pid', 'user'].map((name): [string, FileFacts] => [
      `/proc/self/ns/${name}`,
      { kind: 'other', uid: 0, gid: 0, mode: 0o777 },
    ]),
  ])
  const directories = new Map<string, readonly string[]>([
    ['/sys/kernel/iommu_groups', ['0', '1']],
    ['/sys/class/vfio-dev', ['vfio0']],
  ])
  const commands = new Map<string, CommandOutput>([
    [`${qemu} --version`, out('QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds)\n')],
    [
      `${qemu} -device help`,
      out(
        'name "vhost-user-fs-pci"\nname "virtio-serial-pci"\nname "virtserialport"\nname "pcie-root-port"\n',
      ),
    ],
    [`${qemu} -machine none -object help`, out('  memory-backend-memfd\n')],
    [`${qemu} -accel help`, out('Accelerators:\ntcg\nkvm\n')],
    ['/usr/bin/swtpm --version', out('TPM emulator version 0.7.1\n')],
    ['/usr/libexec/virtiofsd --version', out('virtiofsd 1.13.2\n')],
    ['/usr/local/bin/containerd-shim-kata-ts-v2 --version', out(`${version}\n`)],
  ])
  const tools = new Set(
    'setpriv unshare prlimit mount umount pivot_root env dash bash useradd userdel groupadd chown chmod pasta nft ip skopeo'.split(
      ' ',
    ),
  )
  const ran: string[] = []
  const answer = async (argv: readonly string[]): Promise<CommandOutput> => {
    ran.push(argv.join(' '))
    return commands.get(argv.join(' ')) ?? { code: 127, text: 'not found' }
  }
  return {
    files,
    stats,
    directories,
    commands,
    ran,
    tools,
    uid: () => 0,
    architecture: () => 'x64',
    kernelRelease: () => '6.12.0-amd64',
    isBundle: () => false,
    readText: (path) => files.get(path),
    list: (path) => directories.get(path) ?? [],
    stat: (path) => stats.get(path),
    isWritable: () => true,
    isExecutable: (path) => commands.has(`${path} --version`),
    freeBytes: () => 1024 ** 3,
    findTool: (name) => (tools.has(name) ? `/usr/bin/${name}` : undefined),
    run: answer,
    ask: answer,
    landlockProblem: async () => undefined,
    probeNetwork: () => {},
    probeMappedMemory: async () => {},
    probeMappedOverlay: async () => {},
    checkUidRange: () => {},
    checkUpperIds: () => {},
    accelerator: () => ({ accelerator: 'kvm', reason: 'a guest booted with it' }),
    verifyImage: async () => 'image 0123, checksums match',
    ...changes,
  }
}

/** The built-in configuration with `changes`, on this host. */
export function contextOf(host: HostProbe, changes: Partial<HypervisorConfig> = {}): CheckContext {
  const config = builtInConfig({ cpus: 4, memoryMiB: 8192 })
  return { host, config: { ...config, hypervisor: { ...config.hypervisor, ...changes } } }
}
