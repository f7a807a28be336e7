/** How confined a process really is, read from /proc: plain data, for the check at start and for audits later. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { describeError, KataError } from '../../errors.ts'
import { unescapeMountPath } from '../../linux/mounts/mount.ts'
import { exhaustion, readStatus, statusHasEnded } from '../../linux/processes/proc.ts'
import { socketProtocol } from '../../linux/sockets/socket-protocol.ts'
import { type Cores, readCores } from './cores.ts'

/** One thread, as the kernel shows it. Numbers are text where the kernel's own notation is compared. */
export interface ThreadPosture {
  readonly tid: number
  /** Real, effective, saved, file system. */
  readonly uid: readonly number[]
  readonly gid: readonly number[]
  readonly groups: readonly number[]
  /** The five sets as hexadecimal masks: inheritable, permitted, effective, bounding, ambient. */
  readonly capabilities: Readonly<Record<CapabilitySet, string>>
  readonly noNewPrivs: number
  /** 0 off, 1 strict, 2 filter. */
  readonly seccomp: number
  readonly seccompFilters: number
  /** Namespace kind to its id, `mnt:[4026531841]`. */
  readonly namespaces: Readonly<Record<NamespaceKind, string>>
}

export const capabilitySets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const
export type CapabilitySet = (typeof capabilitySets)[number]
export const namespaceKinds = ['mnt', 'ipc', 'uts', 'net', 'pid', 'user', 'cgroup'] as const
export type NamespaceKind = (typeof namespaceKinds)[number]

export interface MountPosture {
  readonly point: string
  /** Those of ro, nosuid, nodev and noexec that are set, sorted. */
  readonly flags: readonly string[]
}

export interface Posture {
  readonly pid: number
  readonly threads: readonly ThreadPosture[]
  /** The maps of its user namespace: inner id, outer id and number of ids. Outer ids are those of the reader's namespace. */
  readonly idMaps: { readonly uid: string; readonly gid: string }
  /** Everything it can see of file systems, by mount point. */
  readonly mounts: readonly MountPosture[]
  /** Descriptor number to what it refers to, as /proc/PID/fd shows it. */
  readonly descriptors: Readonly<Record<number, string>>
  /** The sockets that are not AF_UNIX, by their names in `descriptors`. */
  readonly otherSockets: readonly string[]
  /** Bytes of environment. */
  readonly environment: number
  /** Soft and hard, bytes and files. */
  readonly limits: {
    readonly core: string
    readonly nofile: string
    readonly nproc: string
    /** Bytes. */
    readonly memlock: string
    /** Address space, bytes. */
    readonly as: string
    readonly fsize: string
  }
  readonly cwd: string
  /** See {@link readOomScore}. */
  readonly oomScoreAdj: number
  /** Whether processes of the same user may look into it (its /proc files are its own; for root they always are). */
  readonly dumpable: boolean
  readonly cores: Cores
  /** Network interfaces in its network namespace. */
  readonly interfaces: readonly string[]
}

/**
 * Reads everything, of every thread. Threads that end meanwhile are left out.
 *
 * @throws KataError PROCESS_GONE; POSTURE_DIFFERS when it lives and may not be looked at. @throws ErrnoException as `readProc`.
 */
export function readPosture(pid: number): Posture {
  const proc = `/proc/${pid}`
  try {
    const threads = readdirSync(`${proc}/task`)
      .map(Number)
      .map((tid) => readThread(pid, tid))
    const known = threads.filter((thread) => thread !== undefined)
    if (known.length === 0) throw new KataError('PROCESS_GONE', { pid })
    const descriptors = readDescriptors(pid)
    return {
      pid,
      threads: known,
      idMaps: { uid: readIdMap(`${proc}/uid_map`), gid: readIdMap(`${proc}/gid_map`) },
      mounts: parseMounts(readFileSync(`${proc}/mountinfo`, 'utf8')),
      descriptors,
      otherSockets: otherSockets(pid, descriptors),
      environment: readFileSync(`${proc}/environ`).length,
      limits: parseLimits(readFileSync(`${proc}/limits`, 'utf8')),
      cwd: readlinkSync(`${proc}/cwd`),
      oomScoreAdj: Number(readFileSync(`${proc}/oom_score_adj`, 'utf8')),
      dumpable: statSync(proc).uid === known[0]?.uid[1],
      cores: readCores(pid),
      interfaces: parseInterfaces(readFileSync(`${proc}/net/dev`, 'utf8')),
    }
  } catch (error) {
    if (error instanceof KataError || exhaustion.has((error as NodeJS.ErrnoException).code)) throw error
    if (!isDenied(proc, error)) throw new KataError('PROCESS_GONE', { pid }, { cause: error })
    const differences = `it cannot be looked at: ${describeError(error)}`
    throw new KataError('POSTURE_DIFFERS', { pid, differences }, { cause: error })
  }
}

/** Whether this is said of a process or thread that lives. The kernel says it of one that ends as well. */
function isDenied(proc: string, error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  const status = ['EACCES', 'EPERM'].includes(code) ? readStatus(`${proc}/status`) : undefined
  return status !== undefined && !statusHasEnded(status)
}

function readThread(pid: number, tid: number): ThreadPosture | undefined {
  const task = `/proc/${pid}/task/${tid}`
  const status = readStatus(`${task}/status`)
  const namespaces = readNamespaces(task)
  if (status === undefined || namespaces === undefined) return undefined
  const numbers = (field: string) => (status.get(field) ?? '').split(/\s+/).filter(Boolean).map(Number)
  const capabilities = Object.fromEntries(capabilitySets.map((set) => [set, status.get(set) ?? 'unknown']))
  return {
    tid,
    uid: numbers('Uid'),
    gid: numbers('Gid'),
    groups: numbers('Groups'),
    capabilities: capabilities as Record<CapabilitySet, string>,
    noNewPrivs: Number(status.get('NoNewPrivs')),
    seccomp: Number(status.get('Seccomp')),
    seccompFilters: Number(status.get('Seccomp_filters')),
    namespaces,
  }
}

/**
 * The namespaces behind a /proc/PID or /proc/PID/task/TID directory, or undefined when it is gone.
 *
 * @throws ErrnoException EACCES when it lives and may not be looked at: a thread with more rights than its reader would be left out.
 */
export function readNamespaces(proc: string): Record<NamespaceKind, string> | undefined {
  try {
    const links = namespaceKinds.map((kind) => [kind, readlinkSync(`${proc}/ns/${kind}`)])
    return Object.fromEntries(links) as Record<NamespaceKind, string>
  } catch (error) {
    if (isDenied(proc, error)) throw error
    return undefined
  }
}

/** The map of a namespace without another one around it. */
export const hostIdMap = '0 0 4294967295'

/** Lines of user_namespaces(7), joined by commas, with single blanks. */
function readIdMap(path: string): string {
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => line.trim().replace(/ +/g, ' ')).join(',')
}

/** proc_pid_mountinfo(5): the fifth field is the mount point, the sixth its own options. */
function parseMounts(text: string): MountPosture[] {
  const lines = text.split('\n').filter((line) => line !== '')
  const mounts = lines.map((line): MountPosture => {
    const [, , , , point = '', options = ''] = line.split(' ')
    const flags = options.split(',').filter((flag) => ['ro', 'nosuid', 'nodev', 'noexec'].includes(flag))
    return { point: unescapeMountPath(point), flags: flags.sort() }
  })
  return mounts.sort((a, b) => (a.point < b.point ? -1 : 1))
}

function readDescriptors(pid: number): Record<number, string> {
  const entries = readdirSync(`/proc/${pid}/fd`).map((fd): [number, string] => [Number(fd), target(pid, fd)])
  return Object.fromEntries(entries.filter(([, to]) => to !== ''))
}

/** Empty when the descriptor was closed between listing and looking. */
function target(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`)
  } catch {
    return ''
  }
}

/** A descriptor that was closed meanwhile is left out. */
function otherSockets(pid: number, descriptors: Readonly<Record<number, string>>): string[] {
  const sockets = Object.entries(descriptors).filter(([, to]) => to.startsWith('socket:'))
  const others = sockets.filter(([fd]) => !/^UNIX(-STREAM)?$/.test(socketProtocol(pid, fd)))
  return others.filter(([fd, to]) => target(pid, fd) === to).map(([, to]) => to)
}

function parseLimits(text: string): Posture['limits'] {
  const limit = (name: string) =>
    new RegExp(`^${name} +(\\S+) +(\\S+)`, 'm').exec(text)?.slice(1, 3).join(':') ?? ''
  return {
    core: limit('Max core file size'),
    nofile: limit('Max open files'),
    nproc: limit('Max processes'),
    memlock: limit('Max locked memory'),
    as: limit('Max address space'),
    fsize: limit('Max file size'),
  }
}

function parseInterfaces(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => /^\s*([^\s:|]+):/.exec(line)?.[1] ?? [])
    .sort()
}
