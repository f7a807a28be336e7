/**
 * Everything that a sandbox could leave behind on the host, as sorted lines that two points in time can be compared by.
 * Counted is what is ours (ours.ts): beside the tests others' containers, machines and accounts come and go.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { readProc } from '../../../src/linux/processes/proc.ts'
import { readAccounts, staleLocks, tornAccounts } from './accounts.ts'
import { isOurCgroup, isOurId, isOurLink, isOurUser, namesUs, ourProcesses } from './ours.ts'

export interface HostState {
  /** By kind. */
  readonly ours: Readonly<Record<string, readonly string[]>>
  /** Names of accounts that nobody of us may lose. */
  readonly otherAccounts: readonly string[]
}

/** What is there now. `runDir` is the run directory of the test. */
export function hostState(runDir: string): HostState {
  const { ours: accounts, others: otherAccounts } = readAccounts()
  const pids = ourProcesses(runDir)
  const ours = {
    accounts,
    accountLocks: staleLocks(),
    privateDirectories: names('/run/user').filter(isOurUser),
    userdb: names('/run/userdb').filter((name) => name.split(/[.:]/).some(isOurUser)),
    reservations: names('/run/kata-ts/uids'),
    shares: names('/run/kata-ts/share'),
    hugePages: names('/run/kata-ts/huge-pages'),
    shimSockets: names(`${runDir}/s`),
    disks: names('/var/lib/kata-ts/disks').flatMap((boot) => names(`/var/lib/kata-ts/disks/${boot}`)),
    runDirectory: tree(runDir).filter((path) => !outlives(path.slice(runDir.length + 1))),
    processes: pids.map(
      (pid) => `${pid} ${(readProc(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').slice(0, 120)}`,
    ),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => namesUs(line, runDir))
      .map((line) => line.split(' ').slice(3, 5).join(' '))
      .sort(),
    namespaces: namespacesOf(pids),
    cgroups: cgroups('/sys/fs/cgroup', 6).filter(isOurCgroup),
    links: links(),
    hostRules: hostRules(),
    sharedMemory: names('/dev/shm').filter(
      (name) => isOurId(ownerOf(`/dev/shm/${name}`)) || /^(kata|kt-)/.test(name),
    ),
  }
  return { ours, otherAccounts }
}

/** Whether a path below the run directory is there by design without any sandbox, or is told by another kind. */
function outlives(path: string): boolean {
  const [first = '', ...others] = path.split('/')
  return listedApart.has(first) ? others.length <= 1 : lasting.has(first) && others.length === 0
}

/** Directories whose entries are kinds of their own. */
const listedApart = new Set(['s', 'share', 'uids', 'huge-pages'])

/** Directories and files of the run directory that outlive sandboxes; what is in them is a sandbox's, a name for one or a root VMM's. */
const lasting = new Set(['pool', 'vm', 'swept', 'default', 'k8s.io', 'moby', 'accelerator.json'])

/** Empty where the directory is not there, or went away just now. */
function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort()
  } catch {
    return []
  }
}

function subdirectories(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name))
  } catch {
    return []
  }
}

function tree(directory: string): string[] {
  return [
    ...names(directory).map((name) => join(directory, name)),
    ...subdirectories(directory).flatMap(tree),
  ].sort()
}

/** Namespaces that one of these processes keeps alive. */
function namespacesOf(pids: readonly number[]): string[] {
  const seen = new Set<string>()
  for (const pid of pids) {
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
  return subdirectories(directory).flatMap((path) => [path, ...cgroups(path, depth - 1)])
}

/** Those of ours and the ports of our bridges, in the network namespace of this process (/sys may show another). */
function links(): string[] {
  const { stdout } = Bun.spawnSync(['ip', '-json', 'link'])
  const all = JSON.parse(stdout.toString()) as { ifname: string; master?: string }[]
  return all
    .filter(({ ifname, master = '' }) => isOurLink(ifname) || isOurLink(master))
    .map(({ ifname }) => ifname)
    .sort()
}

/** Tables of the packet filter, where there is a program for it. */
function hostRules(): string[] {
  if (Bun.which('nft') === null) return []
  const { stdout } = Bun.spawnSync(['nft', 'list', 'tables', 'inet'])
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('table inet kata-ts-'))
    .sort()
}

function ownerOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.uid ?? 0
}

/**
 * What is there now and was not before, as `kind: line`. Accounts are compared both ways: one of ours that vanished was
 * another sandbox's, and of others' none may be torn.
 */
export function leftBehind(before: HostState, now: HostState): string[] {
  const added = Object.entries(now.ours).flatMap(([kind, lines]) =>
    lines.filter((line) => !before.ours[kind]?.includes(line)).map((line) => `${kind}: ${line}`),
  )
  const lost = [
    ...(before.ours.accounts ?? []).filter((line) => !now.ours.accounts?.includes(line)),
    ...tornAccounts(before.otherAccounts, now.otherAccounts),
  ]
  return [...added, ...lost.map((line) => `lost account: ${line}`)]
}
