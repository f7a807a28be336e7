/**
 * The wall between a container's network and the host's own services. pasta connects for the container from the host's network
 * namespace, so an address of the host would lead to whatever listens there. These rules let pasta's user open no connection to an
 * address of the host, whichever that has at the time, except to its name server.
 */

import type { PublishedPort } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { type WatchFilter, watchFilter } from '../../linux/interfaces/filter-changes.ts'
import { openFilterSocket } from '../../linux/interfaces/netlink-socket.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { findTool } from '../../linux/processes/which.ts'
import { NetlinkClient } from '../../netlink/client.ts'
import { ipVersion } from '../../netlink/ip.ts'
import { dumpRules } from '../../netlink/packet-filter.ts'
import { lastWords } from '../../plain-text.ts'
import { neverForwarded, neverForwardedIpv6 } from '../egress/egress.ts'
import { networkTool } from './tools.ts'

/** Whose rules they are: one lease of a user, whose id others get later. */
export interface RulesHolder {
  readonly uid: number
  /** What no other lease has. */
  readonly token: string
}

export interface HostRulesData {
  readonly uid: number
  /** Absent in a ledger of an earlier version. */
  readonly table?: string
}

/** A table of such rules. */
export interface HostTable {
  readonly uid: number
  readonly table: string
}

const tablePrefix = 'kata-ts-'
const tableOf = ({ uid, token }: RulesHolder): string => `${tablePrefix}${uid}-${token.slice(0, 8)}`

/** The table goes after the processes: it is taken before they are started. */
export const hostRulesResource: ResourceKind<HostRulesData> = {
  kind: 'host-rules',
  async release({ uid, table = `${tablePrefix}${uid}` }) {
    await removeHostTable(table)
  },
}

/** @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_WALL_FAILED. */
export async function removeHostTable(table: string): Promise<void> {
  await change(without(table))
}

/** Adding a table that is there changes nothing, and deleting one that is not there fails. */
const without = (table: string): string => `add table inet ${table}; delete table inet ${table}`

/** Empty where the packet filter cannot be asked: there are no rules then. */
export async function hostTables(): Promise<HostTable[]> {
  if (findTool('nft') === undefined) return []
  const { code, stdout } = await nft('list tables inet')
  if (code !== 0) return []
  const found = stdout.matchAll(new RegExp(`^table inet (${tablePrefix}(\\d+)(?:-[0-9a-f]+)?)$`, 'gm'))
  return [...found].map(([, table = '', uid]) => ({ table, uid: Number(uid) }))
}

/** What a network may say to its host in spite of the wall. */
export interface OpenToHost {
  /** The host's name server. */
  readonly nameServer: string | undefined
  /** Those who come in by them get answers. */
  readonly ports: readonly PublishedPort[]
}

/** The rules of one holder, as they were laid. */
export interface HostWall {
  /** Whether they still are. Whoever flushes the host's packet filter takes them along. */
  isWhole(): boolean
  /** Restores them. @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_WALL_FAILED. */
  mend(signal: AbortSignal): Promise<void>
  /** Tells when to look. */
  readonly watch: WatchFilter
}

/** How often rules are laid that are gone at once. */
const mostTries = 5

/** @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_WALL_FAILED. */
export async function closeHost(ledger: Ledger, holder: RulesHolder, open: OpenToHost): Promise<HostWall> {
  const { uid } = holder
  const table = tableOf(holder)
  const rules = hostRules({ uid, table }, open)
  const lay = (signal?: AbortSignal) =>
    layUntilThere(
      () => change(`${without(table)}\n${rules}`, signal),
      () => rulesNow(table),
    )
  let laid = await ledger.take(hostRulesResource, { uid, table }, () => lay())
  return {
    isWhole: () => Buffer.compare(rulesNow(table) ?? new Uint8Array(0), laid) === 0,
    async mend(signal) {
      laid = await lay(signal)
    },
    watch: watchFilter,
  }
}

/**
 * Lays rules and returns what the kernel has of them. Who loads a filter flushes the one before, some more than once: nftables.service
 * does so as it stops, and again as it starts.
 *
 * @throws KataError NETWORK_WALL_FAILED when they never stay; what `lay` throws.
 */
export async function layUntilThere<T>(lay: () => Promise<void>, look: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < mostTries; tries++) {
    await lay()
    const now = look()
    if (now !== undefined) return now
  }
  throw new KataError('NETWORK_WALL_FAILED', { reason: 'they are gone at once' })
}

/** Undefined when there are none, or the kernel does not say which. */
function rulesNow(table: string): Uint8Array | undefined {
  try {
    const socket = openFilterSocket()
    try {
      const rules = dumpRules(new NetlinkClient(socket), table)
      return rules.length === 0 ? undefined : rules
    } finally {
      socket.close()
    }
  } catch {
    return undefined
  }
}

/**
 * Pure. Answers to those who come in by a published port are no connection of its own; they have its number, as the kernel may take the
 * direction of a connection that was there before the rules for the other one. The host hears what it sends to a group, too. What
 * has no socket is the kernel's and passes: neighbour discovery, and the last words of connections that processes have closed. What the
 * gateway never forwards is closed here as well, for a pasta that was taken over, but for name servers there: `--dns` may name one, and
 * then the gateway's own asks it.
 */
export function hostRules({ uid, table }: HostTable, { nameServer, ports }: OpenToHost): string {
  const dns =
    nameServer === undefined ? '' : `ip daddr ${nameServer} meta l4proto { tcp, udp } th dport 53 accept`
  const answers = (['tcp', 'udp'] as const).map((protocol) => {
    const own = new Set(ports.filter((port) => port.protocol === protocol).map(({ host }) => host))
    return own.size === 0 ? '' : `ct direction reply ${protocol} sport { ${[...own].join(', ')} } accept`
  })
  return `
table inet ${table} {
  chain wall {
    ${answers.join('\n    ')}
    ${dns}
    oifname "lo" reject with icmpx admin-prohibited
    fib daddr type { local, anycast, broadcast, multicast } reject with icmpx admin-prohibited
    ip daddr { ${neverForwarded.join(', ')} } meta l4proto { tcp, udp } th dport != 53 reject with icmpx admin-prohibited
    ip6 daddr { ${neverForwardedIpv6.join(', ')} } meta l4proto { tcp, udp } th dport != 53 reject with icmpx admin-prohibited
  }
  chain output {
    type filter hook output priority filter; policy accept;
    meta skuid ${uid} goto wall
  }
}
`
}

/** The host's first name server, which pasta is told to ask; undefined when it has none with IPv4. Pure. */
export function firstNameServer(resolvConf: string): string | undefined {
  // A line without an address must not take the word of the next one for it.
  const servers = resolvConf.split('\n').map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '')
  // To the C library the unspecified address is this host; pasta takes it for none.
  const [first] = servers.filter((address) => ipVersion(address) === 4)
  return first === '0.0.0.0' ? '127.0.0.1' : first
}

async function change(rules: string, signal?: AbortSignal): Promise<void> {
  const { code, stderr } = await nft(rules, signal)
  if (code !== 0) throw new KataError('NETWORK_WALL_FAILED', { reason: lastWords(stderr) })
}

function nft(rules: string, signal?: AbortSignal) {
  return runTool([networkTool('nft'), rules.trim()], { timeoutMs: 10_000, ...(signal && { signal }) })
}
