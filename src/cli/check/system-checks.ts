/** The host itself: who we are, kernel, memory, run directory, cgroups. */
import { KataError } from '../../errors.ts'
import { moduleDirectories } from '../../linux/module-directories.ts'
import { descriptorRights } from '../../linux/processes/descriptor-limit.ts'
import { mostDescriptors } from '../../sharing/virtiofsd/command.ts'
import { type Check, type CheckContext, failed, ok, warning } from './check.ts'

const MiB = 1024 ** 2

const root: Check = {
  name: 'root',
  run: ({ host }) =>
    host.uid() === 0
      ? ok('running as root')
      : failed(
          `running as uid ${host.uid()}`,
          'Run it as root or with sudo: kata-ts makes accounts, namespaces and mounts. The VMM does not run as root.',
        ),
}

const system: Check = {
  name: 'system',
  run: ({ host }) => {
    if (host.architecture() !== 'x64')
      return failed(
        `architecture ${host.architecture()}`,
        'Use an x86-64 host: the guest image is built for it.',
      )
    const kernel = host.kernelRelease()
    const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10))
    const osRelease = host.readText('/etc/os-release') ?? ''
    const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(osRelease)?.[1] ?? ''
    const found = `${field('PRETTY_NAME') || 'unknown distribution'}, kernel ${kernel}`
    // What one of them lacks, other checks try.
    if (major < 6 || (major === 6 && minor < 1))
      return warning(`${found}: tested with 6.1 and later`, 'Use a newer kernel if a start fails.')
    if (host.isBundle()) return ok(`${found}; the bundle brings its own programs`)
    // Testing and unstable have no version.
    if (field('ID') === 'debian' && Number.parseInt(field('VERSION_ID') || '13', 10) < 13)
      return warning(
        `${found}: Debian 13 or later is supported; Debian 12 has no package virtiofsd`,
        'Use Debian 13 or later, or set virtio_fs_daemon to a virtiofsd of your own.',
      )
    return field('ID') === 'debian'
      ? ok(found)
      : warning(
          `${found}: tested on Debian 13`,
          'Install the packages that the other checks name with the tools of your distribution.',
        )
  },
}

const memory: Check = {
  name: 'memory',
  run: ({ host, config }) => {
    const kilobytes = /^MemAvailable:\s*(\d+) kB$/m.exec(host.readText('/proc/meminfo') ?? '')?.[1]
    const available = Math.floor(Number(kilobytes ?? 0) / 1024)
    const { defaultMemory } = config.hypervisor
    const found = `${available} MiB available, ${defaultMemory} MiB a sandbox`
    const remedy = 'Lower default_memory (or --machine-memory), or stop other programs.'
    if (available < 256) return failed(found, remedy)
    return available < defaultMemory ? warning(found, remedy) : ok(found)
  },
}

/** Whether a namespace of this kind can be made. */
export const hasNamespace = ({ host }: CheckContext, kind: string): boolean =>
  host.readText(`/proc/sys/user/max_${kind}_namespaces`)?.trim() !== '0' &&
  host.stat(`/proc/self/ns/${kind}`) !== undefined

const namespaces: Check = {
  name: 'namespaces',
  run: (context) => {
    const { sharedFs, virtioFsPrivilege } = context.config.hypervisor
    // A virtiofsd with a user of its own is root of a namespace of users; hardened hosts allow none.
    const isDaemons = sharedFs !== 'none' && virtioFsPrivilege !== 'root'
    const names = ['mnt', 'ipc', 'uts', 'net', 'pid', ...(isDaemons ? ['user'] : [])]
    const missing = names.filter((name) => !hasNamespace(context, name))
    return missing.length === 0
      ? ok(names.join(', '))
      : failed(
          `the kernel has no namespaces of kind ${missing.join(', ')}`,
          'Use a kernel that has them, and set /proc/sys/user/max_*_namespaces above 0.',
        )
  },
}

const seccomp: Check = {
  name: 'seccomp',
  run: ({ host }) => {
    const actions = host.readText('/proc/sys/kernel/seccomp/actions_avail')?.trim().split(' ') ?? []
    return actions.includes('kill_process') && actions.includes('errno')
      ? ok('seccomp filters')
      : failed('the kernel has no seccomp filters', 'Use a kernel with CONFIG_SECCOMP_FILTER.')
  },
}

const cgroups: Check = {
  name: 'cgroups',
  run: ({ host }) => {
    const controllers = host.readText('/sys/fs/cgroup/cgroup.controllers')
    if (controllers !== undefined) return ok(`cgroup v2 (${controllers.trim() || 'no controllers'})`)
    if (host.stat('/sys/fs/cgroup/memory') !== undefined) return ok('cgroup v1')
    return warning(
      'no cgroups are mounted: VMMs are not limited on the host',
      'Mount cgroup2 on /sys/fs/cgroup.',
    )
  },
}

const overlay: Check = {
  name: 'overlayfs',
  run: ({ host }) => {
    if (/\boverlay$/m.test(host.readText('/proc/filesystems') ?? '')) return ok('overlayfs')
    const lists = moduleDirectories(host.kernelRelease()).flatMap((modules) => [
      `${modules}/modules.dep`,
      `${modules}/modules.builtin`,
    ])
    return lists.some((list) => /(^|\/)overlay\.ko/m.test(host.readText(list) ?? ''))
      ? ok('overlayfs, a module that the kernel loads when it is first used')
      : failed(
          'the kernel has no overlayfs',
          'Run `modprobe overlay`, or use a kernel with CONFIG_OVERLAY_FS.',
        )
  },
}

const runDirectory: Check = {
  name: 'run-directory',
  run: ({ host }) => {
    const free = host.freeBytes('/run')
    // Another user cannot write there, and the first check says that it takes root.
    const isClosed = host.uid() === 0 && !host.isWritable('/run')
    if (free === undefined || isClosed)
      return failed(
        '/run cannot be written',
        'Mount a tmpfs on /run; kata-ts keeps its state in /run/kata-ts.',
      )
    const found = `${Math.floor(free / MiB)} MiB free on /run`
    const remedy = 'Free space on /run: it holds sockets, logs and the state of sandboxes.'
    if (free < 16 * MiB) return failed(found, remedy)
    return free < 128 * MiB ? warning(found, remedy) : ok(found)
  },
}

/** systemd's default hard limit. Each file of a share that the guest knows takes one. */
const fewDescriptors = 524_288

/** Programs that start shims, by the kernel's name of them. */
const clients = ['containerd', 'crio']

const descriptors: Check = {
  name: 'descriptors',
  run: ({ host, config }) => {
    if (config.hypervisor.sharedFs === 'none') return ok('not limited: no directory is shared')
    const most = host.readText('/proc/sys/fs/nr_open')
    const commandOf = (process: string) => host.readText(`/proc/${process}/comm`)?.trim() ?? ''
    const running = host.list('/proc').filter((process) => clients.includes(commandOf(process)))
    const found = [...running, 'self'].map((process) => {
      const [limits, status] = ['limits', 'status'].map((file) => host.readText(`/proc/${process}/${file}`))
      const limit = Math.min(descriptorRights({ limits, status, most }).reachable, mostDescriptors)
      const name = process === 'self' ? 'kata-ts' : commandOf(process)
      return { limit, text: `sandboxes of ${name} can open ${limit} files of a share` }
    })
    const low = found.filter(({ limit }) => limit < fewDescriptors)
    return low.length === 0
      ? ok(found.map(({ text }) => text).join(', '))
      : warning(
          `${low.map(({ text }) => text).join(', ')}; beyond that, directory listings in the guest end early`,
          'Set LimitNOFILE=1048576 for the service (in a shell, `ulimit -Hn 1048576`), and fs.nr_open to no less.',
        )
  },
}

const network: Check = {
  name: 'network',
  run: ({ host, config }) => {
    if (config.runtime.internetworkingModel === 'none') return ok('not used: internetworking_model is none')
    // Only root can try it; the first check says so.
    if (host.uid() !== 0) return ok('not tested: only root can')
    try {
      host.probeNetwork()
      return ok('taps, ingress queues and redirection between interfaces')
    } catch (error) {
      if (!(error instanceof KataError)) throw error
      return failed(error.rawMessage, error.remedy)
    }
  },
}

export const systemChecks: readonly Check[] = [
  root,
  system,
  memory,
  namespaces,
  seccomp,
  cgroups,
  overlay,
  runDirectory,
  descriptors,
  network,
]
