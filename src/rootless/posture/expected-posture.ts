/** The posture that a launch asked for. */
import { readlinkSync } from 'node:fs'
import { filtersOf } from '../../linux/processes/seccomp.ts'
import { jailLimits } from '../jail/jail-command.ts'
import { planJail } from '../jail/jail-plan.ts'
import type { LaunchSpec } from '../jail/launch-spec.ts'
import {
  type CapabilitySet,
  capabilitySets,
  hostIdMap,
  type MountPosture,
  type NamespaceKind,
  namespaceKinds,
  type Posture,
  readNamespaces,
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
  /** These may be of any family: it is a program of the host's network. */
  readonly anySockets?: boolean
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
  /** Absent: it may share cores with others. */
  readonly cores?: 'own'
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
    files,
    opens,
    sockets,
    fewestSockets,
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
