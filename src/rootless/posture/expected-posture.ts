/** The posture that a launch requests. */
import { readlinkSync } from 'node:fs'
import { type Capability, capabilityMask } from '../../linux/processes/capabilities.ts'
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

/** The requested posture. It is plain data, so that it can be recorded and audited later. */
export interface ExpectedPosture {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
  readonly capabilities: Readonly<Record<CapabilitySet, string>>
  /** The maps of users and of groups, as in {@link Posture}. */
  readonly idMap: string
  readonly noNewPrivs: 1
  readonly seccomp: 2
  /** Least number of seccomp filters on every thread; 0 if there may be none yet. */
  readonly seccompFilters: number
  /** The same for the thread that the process began with. */
  readonly firstThreadFilters: number
  /** Number of additional filters on every thread, inherited from the shim. Absent: none. */
  readonly inheritedFilters?: number
  /** `own`: different from the host's; `host`: the host's. */
  readonly namespaces: Readonly<Record<NamespaceKind, 'own' | 'host'>>
  readonly hostNamespaces: Readonly<Record<NamespaceKind, string>>
  readonly mounts: readonly MountPosture[]
  /** Targets by descriptor number: the standard descriptors, and those that were handed over. */
  readonly descriptors: Readonly<Record<number, string>>
  /** Full names of files that it may have opened itself: `/dev/kvm`, `anon_inode:[eventfd]`. */
  readonly files?: readonly string[]
  /** Prefixes of names of such files, where a number or another name follows. */
  readonly opens: readonly string[]
  /** Targets of descriptors that it got after its start, by their purpose. */
  readonly handedOver?: Readonly<Record<string, readonly string[]>>
  /** Most sockets in addition to those handed over, all AF_UNIX: connections that it accepted. */
  readonly sockets: number
  /** Its sockets may be of any family, because the program uses the host's network. */
  readonly anySockets?: boolean
  /** Least number of those sockets. Absent: none. */
  readonly fewestSockets?: number
  /** Mounts may come and go below the named ones. */
  readonly mountsBelow?: boolean
  readonly environment: 0
  /** Limits that are not named are not compared. */
  readonly limits: Partial<Posture['limits']>
  readonly cwd: '/'
  /** The lowest allowed score: a higher one only makes the process die sooner. Absent: {@link defaultPodScore}. */
  readonly oomScoreAdj?: number
  /** Whether it has cores of its own. Absent: it may share cores with other processes. */
  readonly cores?: 'own'
  /** Network interfaces in its namespace. Absent if others add interfaces there. */
  readonly interfaces?: readonly string[]
}

export interface PostureOptions {
  /** Least number on every thread: 1 of the jail, and 1 more if the program adds its own filter. */
  readonly seccompFilters: number
  /** The same for the first thread, if the program adds its filter only to the others. Default: {@link seccompFilters}. */
  readonly firstThreadFilters?: number
  /** As in {@link ExpectedPosture}. Default: none. */
  readonly sockets?: number
  readonly fewestSockets?: number
  readonly files?: readonly string[]
  readonly opens?: readonly string[]
}

/** To be called while the descriptors of `spec` are still open, because it notes what they refer to. */
export function expectedPosture(spec: LaunchSpec, options: PostureOptions): ExpectedPosture {
  const { seccompFilters, firstThreadFilters = seccompFilters } = options
  const { sockets = 0, fewestSockets = 0, files = [], opens = [] } = options
  const { uid, gid, groups } = spec.identity
  const mounts: MountPosture[] = planJail(spec).mounts.map(({ target, flags }) => ({ point: target, flags }))
  mounts.push({ point: '/', flags: ['nodev', 'noexec', 'nosuid', 'ro'] })
  const standard = [spec.stdin ?? '/dev/null', spec.stdout ?? spec.output, spec.output]
  const handedOver = [...standard, ...spec.fds].map((fd) =>
    typeof fd === 'number' ? readlinkSync(`/proc/self/fd/${fd}`) : fd,
  )
  const bytes = (miB: number) => `${miB * 1024 ** 2}:${miB * 1024 ** 2}`
  return {
    uid,
    gid,
    groups: groups.toSorted((a, b) => a - b),
    capabilities: capabilitiesOf(spec.capabilities ?? []),
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
      ...(spec.lockedMemoryMiB === undefined ? {} : { memlock: bytes(spec.lockedMemoryMiB) }),
      ...(spec.addressSpaceMiB === undefined ? {} : { as: bytes(spec.addressSpaceMiB) }),
      ...(spec.fileSizeMiB === undefined ? {} : { fsize: bytes(spec.fileSizeMiB) }),
    },
    cwd: '/',
    interfaces: ['lo'],
  }
}

/** These in each set, and no other. */
function capabilitiesOf(names: readonly Capability[]): Record<CapabilitySet, string> {
  const mask = capabilityMask(names).toString(16).padStart(16, '0')
  return Object.fromEntries(capabilitySets.map((set) => [set, mask])) as Record<CapabilitySet, string>
}

/** The kernel's notation for a process without any capability. */
export const noCapabilities = capabilitiesOf([])

/** Marks the kinds in `own` as the process's own, and all others as the host's. */
export function ownNamespaces(own: readonly NamespaceKind[]): Record<NamespaceKind, 'own' | 'host'> {
  const namespaces = namespaceKinds.map((kind) => [kind, own.includes(kind) ? 'own' : 'host'])
  return Object.fromEntries(namespaces) as Record<NamespaceKind, 'own' | 'host'>
}
