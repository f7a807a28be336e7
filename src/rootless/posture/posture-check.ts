/** The posture that a launch asked for, and every field in which a process differs from it. */
import { readlinkSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { until } from '../../time.ts'
import { jailLimits } from '../jail/jail-command.ts'
import { planJail } from '../jail/jail-plan.ts'
import type { LaunchSpec } from '../jail/launch-spec.ts'
import { defaultPodScore } from '../jail/oom-score.ts'
import {
  type CapabilitySet,
  capabilitySets,
  hostIdMap,
  type MountPosture,
  type NamespaceKind,
  namespaceKinds,
  type Posture,
  readNamespaces,
  readPosture,
  type ThreadPosture,
} from './posture.ts'

/** The posture that was asked for; plain data, so that it can be written down and audited later. */
export interface ExpectedPosture {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly capabilities: Readonly<Record<CapabilitySet, string>>
  /** The maps of users and of groups, as in {@link Posture}. */
  readonly idMap: string
  readonly noNewPrivs: 1
  readonly seccomp: 2
  /** At least so many filters on every thread; 0: it may have none yet. */
  readonly seccompFilters: number
  /** The same for the thread that the process began with. */
  readonly firstThreadFilters: number
  /** How many inherited filters are on every thread besides; absent: none. */
  readonly inheritedFilters?: number
  /** `own`: another one than the host's; `host`: the host's. */
  readonly namespaces: Readonly<Record<NamespaceKind, 'own' | 'host'>>
  readonly hostNamespaces: Readonly<Record<NamespaceKind, string>>
  readonly mounts: readonly MountPosture[]
  /** Descriptor number to target, for the standard ones and those handed over. */
  readonly descriptors: Readonly<Record<number, string>>
  /** Files that it may have opened itself, each by its whole name: `/dev/kvm`, `anon_inode:[eventfd]`. */
  readonly files?: readonly string[]
  /** The same by what their names begin with, where these go on with a number or a name of their own. */
  readonly opens: readonly string[]
  /** Descriptors that it got since its start, by their purpose. */
  readonly handedOver?: Readonly<Record<string, readonly string[]>>
  /** At most so many sockets besides those handed over, all AF_UNIX: connections it accepted. */
  readonly sockets: number
  /** And at least so many; absent: it may have none. */
  readonly fewestSockets?: number
  /** Mounts come and go below those that are named. */
  readonly mountsBelow?: boolean
  readonly environment: 0
  /** Limits that are not named are not compared. */
  readonly limits: Partial<Posture['limits']>
  readonly cwd: '/'
  /** The lowest allowed score: a higher one only makes the process die sooner. Absent: {@link defaultPodScore}. */
  readonly oomScoreAdj?: number
  /** Absent where others put theirs. */
  readonly interfaces?: readonly string[]
}

export interface PostureOptions {
  /** At least so many: 1 of the jail, and 1 more when the program adds its own filter. */
  readonly seccompFilters: number
  /** The same for its first thread, when the program adds its filter to others only; default as every thread. */
  readonly firstThreadFilters?: number
  /** See {@link ExpectedPosture}; default none of each. */
  readonly sockets?: number
  readonly fewestSockets?: number
  readonly files?: readonly string[]
  readonly opens?: readonly string[]
}

/** One field, as it was asked for and as it is. */
export interface PostureRow {
  readonly field: string
  /** The thread, when the field is a thread's own. */
  readonly tid?: number
  readonly expected: string
  readonly actual: string
}

/** Call it while the descriptors of `spec` are still open here: it notes what they refer to. */
export function expectedPosture(spec: LaunchSpec, options: PostureOptions): ExpectedPosture {
  const { seccompFilters, firstThreadFilters = seccompFilters } = options
  const { sockets = 0, fewestSockets = 0, files = [], opens = [] } = options
  const { uid, gid, groups } = spec.identity
  const mounts: MountPosture[] = planJail(spec).mounts.map(({ target, flags }) => ({ point: target, flags }))
  mounts.push({ point: '/', flags: ['nodev', 'noexec', 'nosuid', 'ro'] })
  const handedOver = ['/dev/null', spec.stdout ?? spec.output, spec.output, ...spec.fds].map((fd) =>
    typeof fd === 'number' ? readlinkSync(`/proc/self/fd/${fd}`) : fd,
  )
  const locked = spec.lockedMemoryMiB === undefined ? undefined : spec.lockedMemoryMiB * 1024 ** 2
  return {
    uid,
    gid,
    groups: groups.toSorted((a, b) => a - b),
    capabilities: noCapabilities,
    idMap: hostIdMap,
    noNewPrivs: 1,
    seccomp: 2,
    seccompFilters,
    firstThreadFilters,
    inheritedFilters: filtersOf('self'),
    namespaces: ownNamespaces(['mnt', 'ipc', 'uts', 'net', 'pid']),
    hostNamespaces: readNamespaces('/proc/self')!,
    mounts: mounts.sort((a, b) => (a.point < b.point ? -1 : 1)),
    descriptors: { ...handedOver },
    ...{ files, opens, sockets, fewestSockets },
    environment: 0,
    limits: {
      core: `${jailLimits.core}:${jailLimits.core}`,
      nofile: `${jailLimits.nofile}:${jailLimits.nofile}`,
      nproc: `${jailLimits.nproc}:${jailLimits.nproc}`,
      ...(locked === undefined ? {} : { memlock: `${locked}:${locked}` }),
    },
    cwd: '/',
    interfaces: ['lo'],
  }
}

/** The kernel's notation for a process without any capability. */
export const noCapabilities = Object.fromEntries(
  capabilitySets.map((set) => [set, '0'.repeat(16)]),
) as Record<CapabilitySet, string>

/** The kinds named are the process's own, the others the host's. */
export function ownNamespaces(own: readonly NamespaceKind[]): Record<NamespaceKind, 'own' | 'host'> {
  const namespaces = namespaceKinds.map((kind) => [kind, own.includes(kind) ? 'own' : 'host'])
  return Object.fromEntries(namespaces) as Record<NamespaceKind, 'own' | 'host'>
}

/** Every difference; empty when the process is confined exactly as expected. */
export function comparePosture(expected: ExpectedPosture, actual: Posture): PostureRow[] {
  return describePosture(expected, actual).filter(differs)
}

export const differs = (row: PostureRow): boolean => row.expected !== row.actual

/** Every field, whether it differs or not. */
export function describePosture(expected: ExpectedPosture, actual: Posture): PostureRow[] {
  return [
    ...actual.threads.flatMap((thread) => describeThread(expected, thread, thread.tid === actual.pid)),
    row('idMaps.uid', expected.idMap, actual.idMaps.uid),
    row('idMaps.gid', expected.idMap, actual.idMaps.gid),
    row('mounts', show(expected.mounts), show(mountsToCompare(expected, actual))),
    ...describeDescriptors(expected, actual),
    row('environment', `${expected.environment}`, `${actual.environment}`),
    ...limitNames.map((name) =>
      row(`limits.${name}`, expected.limits[name] ?? actual.limits[name], actual.limits[name]),
    ),
    row('cwd', expected.cwd, actual.cwd),
    oomScoreRow(expected.oomScoreAdj ?? defaultPodScore, actual.oomScoreAdj),
    row('interfaces', (expected.interfaces ?? actual.interfaces).join(' '), actual.interfaces.join(' ')),
  ]
}

function mountsToCompare(expected: ExpectedPosture, { mounts }: Posture): readonly MountPosture[] {
  if (!expected.mountsBelow) return mounts
  return mounts.filter(({ point }) => expected.mounts.some((mount) => mount.point === point))
}

const limitNames = ['core', 'nofile', 'nproc', 'memlock'] as const

function describeThread(expected: ExpectedPosture, thread: ThreadPosture, isFirst: boolean): PostureRow[] {
  const { tid } = thread
  const four = (id: number) => [id, id, id, id].join(' ')
  const groups = thread.groups.toSorted((a, b) => a - b)
  const own = isFirst ? expected.firstThreadFilters : expected.seccompFilters
  const filters = own + (expected.inheritedFilters ?? 0)
  const enough = thread.seccompFilters >= filters
  return [
    row('uid', four(expected.uid), thread.uid.join(' '), tid),
    row('gid', four(expected.gid), thread.gid.join(' '), tid),
    row('groups', expected.groups.join(' '), groups.join(' '), tid),
    ...capabilitySets.map((set) => row(set, expected.capabilities[set], thread.capabilities[set], tid)),
    row('noNewPrivs', `${expected.noNewPrivs}`, `${thread.noNewPrivs}`, tid),
    row('seccomp', `${filters === 0 ? thread.seccomp : expected.seccomp}`, `${thread.seccomp}`, tid),
    row(
      'seccompFilters',
      enough ? `${thread.seccompFilters}` : `at least ${filters}`,
      `${thread.seccompFilters}`,
      tid,
    ),
    ...namespaceKinds.map((kind) => {
      const isHost = thread.namespaces[kind] === expected.hostNamespaces[kind]
      return row(`namespaces.${kind}`, expected.namespaces[kind], isHost ? 'host' : 'own', tid)
    }),
  ]
}

/** Those handed over one by one; of the others the sockets by their number, and each that it should not have. */
function describeDescriptors(expected: ExpectedPosture, actual: Posture): PostureRow[] {
  const handedOver = Object.entries(expected.descriptors).map(([fd, target]) =>
    row(`descriptors.${fd}`, target, actual.descriptors[Number(fd)] ?? 'closed'),
  )
  const others = Object.entries(actual.descriptors).filter(([fd]) => !(Number(fd) in expected.descriptors))
  const { files = [], handedOver: later = {} } = expected
  const known = new Set([...Object.values(expected.descriptors), ...files, ...Object.values(later).flat()])
  const sockets = others.filter(([, target]) => target.startsWith('socket:') && !known.has(target))
  const foreign = others.filter(
    ([, target]) =>
      !target.startsWith('socket:') &&
      !known.has(target) &&
      !expected.opens.some((prefix) => target.startsWith(prefix)),
  )
  const families = sockets.filter(([, target]) => actual.otherSockets.includes(target))
  return [
    ...handedOver,
    ...foreign.map(([fd, target]) => row(`descriptors.${fd}`, 'closed', target)),
    ...families.map(([fd, target]) => row(`descriptors.${fd}`, 'a unix socket', `another ${target}`)),
    row('sockets', allowedSockets(expected, sockets.length), `${sockets.length}`),
  ]
}

function allowedSockets({ fewestSockets = 0, sockets: most }: ExpectedPosture, count: number): string {
  if (count >= fewestSockets && count <= most) return `${count}`
  if (fewestSockets === most) return `${most}`
  return count > most ? `at most ${most}` : `at least ${fewestSockets}`
}

/** A value lower than the one asked for would spare the process at the cost of others. */
export function oomScoreRow(least: number, actual: number): PostureRow {
  return row('oomScoreAdj', actual >= least ? `${actual}` : `at least ${least}`, `${actual}`)
}

function row(field: string, expected: string, actual: string, tid?: number): PostureRow {
  return { field, expected, actual, ...(tid === undefined ? {} : { tid }) }
}

function show(mounts: readonly MountPosture[]): string {
  return mounts.map(({ point, flags }) => `${point}(${flags.join(',')})`).join(' ')
}

/** Reads the process and compares. @throws KataError POSTURE_DIFFERS listing every difference, or PROCESS_GONE. */
export function assertPosture(pid: number, expected: ExpectedPosture): Posture {
  const actual = readPosture(pid)
  const differences = comparePosture(expected, actual)
  if (differences.length > 0) {
    const list = differences.map(
      ({ field, tid, expected: wanted, actual: found }) =>
        `${field}${tid === undefined ? '' : ` of thread ${tid}`} is "${found}", expected "${wanted}"`,
    )
    throw new KataError('POSTURE_DIFFERS', { pid, differences: list.join('; ') })
  }
  return actual
}

/** How long a program may take to let go of what its loader opened, milliseconds. */
const settleMs = 2000

/**
 * {@link assertPosture} for a program that does not say when it is ready: right after execve(2) its loader still has
 * libraries open. The expected posture stays the same.
 *
 * @throws KataError as {@link assertPosture}, when it still differs after that time.
 */
export async function settledPosture(pid: number, expected: ExpectedPosture): Promise<Posture> {
  await until(() => comparePosture(expected, readPosture(pid)).length === 0, { timeoutMs: settleMs })
  return assertPosture(pid, expected)
}
