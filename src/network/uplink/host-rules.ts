/**
 * The wall between a container's network and the host's own services. pasta connects for the container from the host's network
 * namespace, so an address of the host would lead to whatever listens there. These rules let pasta's user open no connection to an
 * address of the host, whichever that has at the time, except to its name server.
 */

import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { findTool } from '../../linux/processes/which.ts'
import { ipVersion } from '../../netlink/ip.ts'
import { lastWords } from '../../plain-text.ts'
import { neverForwarded, neverForwardedIpv6 } from '../egress/egress.ts'
import { networkTool } from './tools.ts'

export interface HostRulesData {
  readonly uid: number
}

const tableOf = (uid: number) => `inet ${tableName}${uid}`
const tableName = 'kata-ts-'

/** The table goes after the processes: it is taken before they are started. */
export const hostRulesResource: ResourceKind<HostRulesData> = {
  kind: 'host-rules',
  async release({ uid }) {
    await removeHostRules(uid)
  },
}

/** @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_WALL_FAILED. */
export async function removeHostRules(uid: number): Promise<void> {
  // Adding a table that is there changes nothing, and deleting one that is not there fails.
  const { code, stderr } = await nft(`add table ${tableOf(uid)}; delete table ${tableOf(uid)}`)
  if (code !== 0) throw new KataError('NETWORK_WALL_FAILED', { reason: lastWords(stderr) })
}

/** The users for whom there are rules. None where the packet filter cannot be asked: nobody has rules there. */
export async function usersWithHostRules(): Promise<number[]> {
  if (findTool('nft') === undefined) return []
  const { code, stdout } = await nft('list tables inet')
  if (code !== 0) return []
  return [...stdout.matchAll(new RegExp(`^table inet ${tableName}(\\d+)$`, 'gm'))].map(([, uid]) =>
    Number(uid),
  )
}

/** @throws KataError NETWORK_PROGRAM_MISSING, NETWORK_WALL_FAILED. */
export async function closeHost(ledger: Ledger, uid: number, nameServer: string | undefined): Promise<void> {
  await ledger.take(hostRulesResource, { uid }, async () => {
    const { code, stderr } = await nft(hostRules(uid, nameServer))
    if (code !== 0) throw new KataError('NETWORK_WALL_FAILED', { reason: lastWords(stderr) })
  })
}

/**
 * Pure. Answers to those who come in by a published port are no connection of its own. The host hears what it sends to a group, too. What
 * has no socket is the kernel's and passes: neighbour discovery, and the last words of connections that processes have closed. What the
 * gateway never forwards is closed here as well, for a pasta that was taken over, but for name servers there: `--dns` may name one, and
 * then the gateway's own asks it.
 */
export function hostRules(uid: number, nameServer: string | undefined): string {
  const dns =
    nameServer === undefined ? '' : `ip daddr ${nameServer} meta l4proto { tcp, udp } th dport 53 accept`
  return `
table ${tableOf(uid)} {
  chain wall {
    ct direction reply accept
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

/** The host's first name server, which pasta asks too; undefined when it has none with IPv4. Pure. */
export function firstNameServer(resolvConf: string): string | undefined {
  const servers = [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address)
  return servers.find((address) => ipVersion(address) === 4)
}

function nft(rules: string) {
  return runTool([networkTool('nft'), rules.trim()], { timeoutMs: 10_000 })
}
