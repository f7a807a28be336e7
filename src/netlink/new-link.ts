/** Virtual interfaces: bridges, and pairs of connected ones (rtnetlink(7), veth(4)). */
import { concat, cstring, structure, uint32 } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { attribute, flag } from './message.ts'

const newLink = 16
const infoBytes = 16
const attributeOf = { name: 3, master: 10, info: 18, netnsFd: 28 } as const
const infoOf = { kind: 1, data: 2 } as const
/** VETH_INFO_PEER, of <linux/veth.h>. */
const vethPeer = 1

/** Makes a bridge that has no address and is down. @throws NetlinkError EEXIST, EOPNOTSUPP (a kernel without bridges). */
export function addBridge(client: NetlinkClient, name: string): void {
  create(client, name, [attribute(attributeOf.info, attribute(infoOf.kind, cstring('bridge')))])
}

export interface VethPair {
  readonly name: string
  /** The index of the bridge whose port it is. */
  readonly master: number
  /** The other end, and the descriptor of the network namespace that gets it. */
  readonly peer: { readonly name: string; readonly netnsFd: number }
}

/** Both ends are down. @throws NetlinkError EEXIST, EOPNOTSUPP (a kernel without veth). */
export function addVeth(client: NetlinkClient, { name, master, peer }: VethPair): void {
  const other = concat([
    new Uint8Array(infoBytes),
    attribute(attributeOf.name, cstring(peer.name)),
    attribute(attributeOf.netnsFd, uint32(peer.netnsFd)),
  ])
  create(client, name, [
    attribute(attributeOf.master, uint32(master)),
    attribute(
      attributeOf.info,
      attribute(infoOf.kind, cstring('veth')),
      attribute(infoOf.data, attribute(vethPeer, other)),
    ),
  ])
}

/** Makes the link a port of the bridge `master`, and takes it up. @throws NetlinkError ENODEV. */
export function enslave(client: NetlinkClient, index: number, master: number): void {
  const up = 1
  const info = structure(infoBytes, (to) => {
    to.setInt32(4, index, true)
    to.setUint32(8, up, true)
    to.setUint32(12, up, true)
  })
  client.change(
    `make link ${index} a port of ${master}`,
    newLink,
    concat([info, attribute(attributeOf.master, uint32(master))]),
  )
}

function create(client: NetlinkClient, name: string, attributes: readonly Uint8Array[]): void {
  const body = concat([new Uint8Array(infoBytes), attribute(attributeOf.name, cstring(name)), ...attributes])
  client.change(`make link ${name}`, newLink, body, flag.create | flag.exclusive)
}
