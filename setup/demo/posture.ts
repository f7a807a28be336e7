/** Who the VMM is, as the kernel tells it, in words. */
import { readFileSync, statSync } from 'node:fs'
import {
  capabilitySets,
  namespaceKinds,
  type Posture,
  readNamespaces,
} from '../../src/rootless/posture/posture.ts'
import { nameOf } from './accounts.ts'

export type Fact = readonly [label: string, value: string]

/** Facts of the process, read from /proc by `readPosture`; every statement holds for all its threads. */
export async function postureFacts(posture: Posture, account: string): Promise<Fact[]> {
  const { threads, mounts } = posture
  const each = (of: (thread: (typeof threads)[number]) => string) => [...new Set(threads.map(of))].join(' / ')
  const groups = threads[0]?.groups ?? []
  const host = readNamespaces('/proc/self')
  const kinds = (own: boolean) =>
    namespaceKinds.filter((kind) => (threads[0]?.namespaces[kind] !== host?.[kind]) === own).join(' ')
  const writable = mounts.filter(({ flags }) => !flags.includes('ro')).map(({ point }) => point)
  const filters = each(({ seccomp, seccompFilters }) => `${seccompModes[seccomp]}, ${seccompFilters} filters`)
  return [
    ['account', account],
    ['user ids', each(({ uid }) => idText(uid))],
    ['group ids', each(({ gid }) => idText(gid))],
    [
      'other groups',
      groups.length === 0
        ? `none${whyNoGroup(statSync('/dev/kvm', { throwIfNoEntry: false }), readFileSync('/proc/cpuinfo', 'utf8'))}`
        : (await groupNames(groups)).join(', '),
    ],
    ['capabilities', each(capabilityText)],
    ['NoNewPrivs', each(({ noNewPrivs }) => String(noNewPrivs))],
    ['seccomp', `${filters}, on each of ${threads.length} threads`],
    ['namespaces', `its own: ${kinds(true)};  the host's: ${kinds(false)}`],
    [
      'network',
      `its namespace has ${posture.interfaces.join(', ') || 'no interface'}${posture.interfaces.join() === 'lo' ? ' and nothing else' : ''}`,
    ],
    [
      'file systems',
      `sees ${mounts.map(({ point }) => point).join(' ')}, ${writable.length === 0 ? 'all read-only' : `writable of these: ${writable.join(' ')}`}`,
    ],
    [
      'environment',
      `${posture.environment} bytes;  core dumps: ${posture.limits.core === '0:0' ? 'off' : posture.limits.core}`,
    ],
  ]
}

/** seccomp(2). */
const seccompModes = ['off', 'strict', 'filter']

function capabilityText({ capabilities }: Posture['threads'][number]): string {
  const held = capabilitySets.filter((set) => !/^0+$/.test(capabilities[set]))
  return held.length === 0
    ? 'none in all five sets (inheritable, permitted, effective, bounding, ambient)'
    : held.map((set) => `${set} ${capabilities[set]}`).join(' ')
}

/** Real, effective, saved and file system id. */
function idText(ids: readonly number[]): string {
  const [first] = ids
  const same = ids.every((id) => id === first)
  return `${same ? `${ids.length} times ${first}` : ids.join(' ')} (real, effective, saved, file system)`
}

/** The only group a VMM may have is that of /dev/kvm; where it has none the node is the reason, or nobody has a use for it. */
export function whyNoGroup(node: { readonly gid: number } | undefined, cpuinfo: string): string {
  if (node === undefined) return ' (this host has no /dev/kvm)'
  if (!/^flags\s*:.* (vmx|svm)\b/m.test(cpuinfo)) return ' (this processor has no use for that of /dev/kvm)'
  if (node.gid === 0)
    return ' (/dev/kvm belongs to the group root, which is never handed over; see `kata-ts check --fix-kvm`)'
  return ''
}

async function groupNames(gids: readonly number[]): Promise<string[]> {
  return Promise.all(gids.map(async (gid) => `${await nameOf('group', gid)} (${gid})`))
}
