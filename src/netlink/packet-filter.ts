/** Rules of the kernel's packet filter (nft(8), <linux/netfilter/nf_tables.h>), as bytes that nobody here reads. */
import { concat, cstring, structure } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { attribute } from './message.ts'

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
