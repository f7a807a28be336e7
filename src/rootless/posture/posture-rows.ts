/** Compares each field of a posture, expected and actual. */
import { defaultPodScore } from '../jail/oom-score.ts'
import type { ExpectedPosture } from './expected-posture.ts'
import {
  capabilitySets,
  type MountPosture,
  namespaceKinds,
  type Posture,
  type ThreadPosture,
} from './posture.ts'

/** One field, expected and actual. */
export interface PostureRow {
  readonly field: string
  /** The thread, when the field is a thread's own. */
  readonly tid?: number
  readonly expected: string
  readonly actual: string
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
    ...(expected.cores === undefined ? [] : [coresRow(expected.cores, actual.cores)]),
    interfacesRow(expected.interfaces, actual.interfaces),
  ]
}

/**
 * The modules of tunnels put one of these into each network namespace, those that are there already included (unless
 * net.core.fb_tunnels_only_for_init_net is set). They are down and lead nowhere, and it takes CAP_NET_ADMIN in the namespace to change that.
 */
const everywhere: ReadonlySet<string> = new Set(
  'tunl0 gre0 gretap0 erspan0 ip_vti0 ip6_vti0 sit0 ip6tnl0 ip6gre0'.split(' '),
)

function interfacesRow(expected: readonly string[] | undefined, actual: readonly string[]): PostureRow {
  // A VMM in a pod's own namespace is expected to see all that was there.
  const given = (names: readonly string[]) => names.filter((name) => !everywhere.has(name)).join(' ')
  return row('interfaces', given(expected ?? actual), given(actual))
}

/** A core that runs one thread at a time is not shared. */
function coresRow(expected: 'own', actual: Posture['cores']): PostureRow {
  return row('cores', actual === 'no-smt' ? actual : expected, actual)
}

function mountsToCompare(expected: ExpectedPosture, { mounts }: Posture): readonly MountPosture[] {
  if (!expected.mountsBelow) return mounts
  return mounts.filter(({ point }) => expected.mounts.some((mount) => mount.point === point))
}

const limitNames = ['core', 'nofile', 'nproc', 'memlock', 'as', 'fsize'] as const

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
  const families = expected.anySockets
    ? []
    : sockets.filter(([, target]) => actual.otherSockets.includes(target))
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

/** A lower score would spare the process when memory runs out, at the cost of others. */
export function oomScoreRow(least: number, actual: number): PostureRow {
  return row('oomScoreAdj', actual >= least ? `${actual}` : `at least ${least}`, `${actual}`)
}

function row(field: string, expected: string, actual: string, tid?: number): PostureRow {
  return { field, expected, actual, ...(tid === undefined ? {} : { tid }) }
}

function show(mounts: readonly MountPosture[]): string {
  return mounts.map(({ point, flags }) => `${point}(${flags.join(',')})`).join(' ')
}
