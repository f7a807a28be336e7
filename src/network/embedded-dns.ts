/**
 * The way to Docker's own name server. On networks that a person made, dockerd answers names of containers at 127.0.0.11 in the container's
 * network namespace, on ports of its choice; rules that it makes there lead port 53 to them, for processes of the namespace. A
 * container in a machine is none: its packets to that address come by the tap, as those to localhost's peer do. Here they go to the
 * same ports, and nothing else at that address is open to the guest.
 */
import { readFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import type { Ledger, ResourceKind } from '../ledger/ledger.ts'
import { isNoNetns, lastingIdentity, openNetns } from '../linux/processes/netns.ts'
import { runTool } from '../linux/processes/run-tool.ts'
import { findTool } from '../linux/processes/which.ts'
import type { Logger } from '../log.ts'
import { lastWords } from '../plain-text.ts'
import { networkTool } from './uplink/tools.ts'

/** What Docker writes into resolv.conf. */
export const embeddedAddress = '127.0.0.11'
/** The same as /proc has it: a number in the processor's order. */
const embeddedHex = '0B00007F'
const listening = '0A'

/** Where it answers. */
export interface EmbeddedPorts {
  readonly udp: number
  readonly tcp: number
}

/** Those of the namespace that the calling thread is in; undefined when no name server is there. */
function findEmbeddedDns(): EmbeddedPorts | undefined {
  const of = (protocol: 'udp' | 'tcp') => readFileSync(`/proc/thread-self/net/${protocol}`, 'utf8')
  return embeddedPorts(of('udp'), of('tcp'))
}

/**
 * {@link findEmbeddedDns}, where the guest may have a way to it. Without nft nothing would keep the guest to these ports: the container runs,
 * cannot look up names, and a warning says so.
 */
export function usableEmbeddedDns(log: Logger): EmbeddedPorts | undefined {
  const ports = findEmbeddedDns()
  if (ports === undefined || findTool('nft') !== undefined) return ports
  log.warn('Docker’s name server cannot be reached: nft is not there; apt-get install nftables')
  return undefined
}

/** Pure; of /proc/net/udp and tcp. */
export function embeddedPorts(udp: string, tcp: string): EmbeddedPorts | undefined {
  const portIn = (table: string, state?: string) => {
    const rows = table.split('\n').map((line) => line.trim().split(/\s+/))
    const row = rows.find(
      ([, local = '', , found]) =>
        local.startsWith(`${embeddedHex}:`) && (state === undefined || found === state),
    )
    return row === undefined ? undefined : Number.parseInt(row[1]!.split(':')[1]!, 16)
  }
  const ports = { udp: portIn(udp), tcp: portIn(tcp, listening) }
  return ports.udp === undefined || ports.tcp === undefined ? undefined : (ports as EmbeddedPorts)
}

export interface EmbeddedDnsData {
  /** Path of the namespace, and its {@link lastingIdentity}. */
  readonly netns: string
  readonly identity: string
}

const table = 'ip kata-ts-dns'

/** A namespace that is gone took the rules along. */
export const embeddedDnsResource: ResourceKind<EmbeddedDnsData> = {
  kind: 'embedded-dns',
  async release({ netns: path, identity }) {
    if (isThere(path, identity)) await nft(path, `add table ${table}; delete table ${table}`)
  },
}

function isThere(path: string, identity: string): boolean {
  try {
    const netns = openNetns(path)
    try {
      return lastingIdentity(netns) === identity
    } finally {
      netns.close()
    }
  } catch (error) {
    if (isNoNetns(error)) return false
    throw error
  }
}

/** Leads what comes by `tap` to the name server, and nowhere else at its address. @throws KataError NETWORK_DNS_FAILED. */
export async function leadToEmbeddedDns(
  ledger: Ledger,
  data: EmbeddedDnsData,
  { tap, ports }: { readonly tap: string; readonly ports: EmbeddedPorts },
): Promise<void> {
  await ledger.take(embeddedDnsResource, data, () => nft(data.netns, rules(tap, ports)))
}

/** Pure. */
function rules(tap: string, { udp, tcp }: EmbeddedPorts): string {
  const asked = `iifname "${tap}" ip daddr ${embeddedAddress}`
  return `
table ${table} {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${asked} udp dport 53 dnat to ${embeddedAddress}:${udp}
    ${asked} tcp dport 53 dnat to ${embeddedAddress}:${tcp}
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ${asked} ct status dnat accept
    ${asked} drop
  }
}
`
}

async function nft(netns: string, commands: string): Promise<void> {
  const argv = [networkTool('nsenter'), `--net=${netns}`, '--', networkTool('nft')]
  const { code, stderr } = await runTool([...argv, commands.trim()], { timeoutMs: 10_000 })
  if (code !== 0) throw new KataError('NETWORK_DNS_FAILED', { reason: lastWords(stderr) })
}
