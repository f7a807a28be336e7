/** Everything of the host that a sandbox could leave behind, as sorted lines that two points in time can be compared by. */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { listPids, readProc } from '../../src/linux/proc.ts'

export type HostState = Readonly<Record<string, readonly string[]>>

const accountFiles = [
  '/etc/passwd',
  '/etc/group',
  '/etc/shadow',
  '/etc/gshadow',
  '/etc/subuid',
  '/etc/subgid',
]
const programs =
  /^(qemu-system|cloud-hyperviso|memfd:qemu|firecracker|jailer|virtiofsd|kata-ts|containerd-shim|setpriv|enosys|unshare|swtpm)/

/** What is there now. `runDir` is the run directory of the test. */
export function hostState(runDir: string): HostState {
  return {
    accounts: accountFiles.flatMap((file) => lines(file).map((line) => `${file}: ${line}`)),
    accountLocks: names('/etc').filter((name) =>
      /^(passwd|group|shadow|gshadow|subuid|subgid)[.-](lock|\d+)/.test(name),
    ),
    privateDirectories: names('/run/user'),
    userdb: names('/run/userdb'),
    reservations: names('/run/kata-ts/uids'),
    shares: names('/run/kata-ts/share'),
    hugePages: names('/run/kata-ts/huge-pages'),
    shimSockets: names(`${runDir}/s`),
    disks: names('/var/lib/kata-ts/disks').flatMap((boot) => names(`/var/lib/kata-ts/disks/${boot}`)),
    runDirectory: tree(runDir).filter(
      (path) =>
        !lasting.has(path.slice(runDir.length + 1).split('/')[0] ?? '') ||
        path.split('/').length > runDir.split('/').length + 2,
    ),
    processes: processes(),
    mounts: lines('/proc/self/mountinfo')
      .map((line) => line.split(' ').slice(3, 5).join(' '))
      .sort(),
    namespaces: namespaces(),
    cgroups: cgroups('/sys/fs/cgroup', 4),
    links: names('/sys/class/net'),
    sharedMemory: names('/dev/shm'),
  }
}

/** Directories and files of the run directory that outlive sandboxes by design. */
const lasting = new Set([
  's',
  'share',
  'uids',
  'huge-pages',
  'vm',
  'swept',
  'default',
  'k8s.io',
  'moby',
  'accelerator.json',
])

const lines = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
const names = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory).sort() : [])

function tree(directory: string): string[] {
  return names(directory).flatMap((name) => {
    const path = join(directory, name)
    const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
    return isDirectory ? [path, ...tree(path)] : [path]
  })
}

/** Without zombies: an orphan is reaped by PID 1, which not every container host's PID 1 does. */
function livePids(): number[] {
  return listPids().filter((pid) => !/^State:\tZ/m.test(readProc(`/proc/${pid}/status`) ?? ''))
}

function processes(): string[] {
  return livePids()
    .filter((pid) => programs.test(readProc(`/proc/${pid}/comm`) ?? ''))
    .map((pid) => `${pid} ${(readProc(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').slice(0, 120)}`)
}

/** Namespaces kept alive by some process other than the ones that only live for a moment. */
function namespaces(): string[] {
  const seen = new Set<string>()
  for (const pid of livePids()) {
    for (const kind of ['mnt', 'net', 'ipc', 'uts', 'pid', 'user', 'cgroup']) {
      try {
        seen.add(readlinkSync(`/proc/${pid}/ns/${kind}`))
      } catch {
        // The process ended.
      }
    }
  }
  return [...seen].sort()
}

function cgroups(directory: string, depth: number): string[] {
  if (depth === 0) return []
  return names(directory)
    .map((name) => join(directory, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false)
    .flatMap((path) => [path, ...cgroups(path, depth - 1)])
}

/**
 * What is there now and was not before, as `kind: line`. Accounts are compared both ways: one that vanished was
 * somebody else's.
 */
export function leftBehind(before: HostState, now: HostState): string[] {
  const added = Object.entries(now).flatMap(([kind, lines]) =>
    lines.filter((line) => !before[kind]?.includes(line)).map((line) => `${kind}: ${line}`),
  )
  const lostAccounts = before.accounts?.filter((line) => !now.accounts?.includes(line)) ?? []
  return [...added, ...lostAccounts.map((line) => `lost account: ${line}`)]
}
