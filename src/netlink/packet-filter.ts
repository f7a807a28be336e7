/** Rules of the kernel's packet filter (nft(8), <linux/netfilter/nf_tables.h>), as bytes that nobody here reads, and its chains. */
import { concat, cstring, fromCstring, structure } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { attribute, splitBody } from './message.ts'

/** NFNL_SUBSYS_NFTABLES and NFT_MSG_GETRULE. */
const getRules = (10 << 8) | 7
/** NFPROTO_INET. */
const inet = 1
/** struct nfgenmsg: u8 family, u8 version, be16 number, which an answer has of the filter's latest change. */
const infoBytes = 4
const tableAttribute = 1

/** All rules of a table of family inet: other bytes once a rule is changed, added or removed, and none without a table. @throws NetlinkError. */
export function dumpRules(client: NetlinkClient, table: string): Uint8Array {
  const info = structure(infoBytes, (to) => to.setUint8(0, inet))
  const request = concat([info, attribute(tableAttribute, cstring(table))])
  return concat(client.dump('list rules', getRules, request).map((body) => body.subarray(infoBytes)))
}

/** NFT_MSG_GETCHAIN. */
const getChains = (10 << 8) | 4
const chainAttribute = { table: 1, name: 3, hook: 4 } as const
/** NFPROTO_*, in the words of nft(8). */
const families: Readonly<Record<number, string>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
}

export interface FilterChain {
  /** With its family: `ip nat`. */
  readonly table: string
  readonly name: string
  /** Whether packets come to it by themselves, and not only from another chain. */
  readonly isBase: boolean
}

/** The chains of all tables of the namespace. @throws NetlinkError. */
export function listChains(client: NetlinkClient): FilterChain[] {
  const everyFamily = structure(infoBytes, () => {})
  return client.dump('list chains', getChains, everyFamily).map((body) => {
    const { head, attributes } = splitBody(body, infoBytes)
    const textOf = (type: number) => fromCstring(attributes.get(type) ?? new Uint8Array(0))
    const family = families[head.getUint8(0)] ?? String(head.getUint8(0))
    return {
      table: `${family} ${textOf(chainAttribute.table)}`,
      name: textOf(chainAttribute.name),
      isBase: attributes.has(chainAttribute.hook),
    }
  })
}
