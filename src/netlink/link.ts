/** Network interfaces (rtnetlink(7), struct ifinfomsg). */
import { concat, cstring, fromCstring, structure, uint32 } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { formatMac } from './ip.ts'
import { attribute, numberOf, parseAttributes, splitBody } from './message.ts'

const message = { delete: 17, get: 18, set: 19 } as const
const infoBytes = 16
const attributeOf = {
  address: 1,
  name: 3,
  mtu: 4,
  lower: 5,
  master: 10,
  info: 18,
  perFamily: 26,
  extMask: 29,
  lowerNetns: 37,
} as const
const infoKind = 1
/** No counters in the answer, which are most of it. */
const skipStatistics = 1 << 3
const [ipv4, ipv6] = [2, 10]
/** Within the part of IPv4: settings by their numbers in <linux/ip.h>. */
const ipv4Settings = 1
const routeLocalnet = 26
const addressGeneration = 8
const generateNone = 1

export const linkFlag = { up: 0x1, loopback: 0x8, noArp: 0x80 } as const

export interface Link {
  readonly index: number
  readonly name: string
  /** Empty for a link without one. */
  readonly mac: string
  readonly mtu: number
  /** IFF_*, see {@link linkFlag}. */
  readonly flags: number
  /** `veth`, `tun`, `bridge`; empty for hardware and for loopback. */
  readonly kind: string
  /** Index of the link that it lies on, or of the other end of a veth; absent where that is none of this namespace. */
  readonly lower?: number
  /** Whether it is a port of another link: of a bridge, bond or VRF. */
  readonly isPort: boolean
}

export interface LinkChange {
  readonly name?: string
  /** Bytes. */
  readonly mtu?: number
  readonly up?: boolean
  readonly noArp?: boolean
  /** Hardware address. */
  readonly mac?: Uint8Array
}

/** Every link of the namespace, loopback included. */
export function listLinks(client: NetlinkClient): Link[] {
  const request = concat([info(0), attribute(attributeOf.extMask, uint32(skipStatistics))])
  return client.dump('list links', message.get, request).map(parseLink)
}

export function parseLink(body: Uint8Array): Link {
  const { head, attributes } = splitBody(body, infoBytes)
  const details = parseAttributes(attributes.get(attributeOf.info) ?? new Uint8Array(0))
  const lower = attributes.has(attributeOf.lowerNetns) ? 0 : numberOf(attributes, attributeOf.lower)
  return {
    index: head.getInt32(4, true),
    name: fromCstring(attributes.get(attributeOf.name) ?? new Uint8Array(0)),
    mac: formatMac(attributes.get(attributeOf.address) ?? new Uint8Array(0)),
    mtu: numberOf(attributes, attributeOf.mtu),
    flags: head.getUint32(8, true),
    kind: fromCstring(details.get(infoKind) ?? new Uint8Array(0)),
    isPort: attributes.has(attributeOf.master),
    ...(lower !== 0 && { lower }),
  }
}

/** Changes what `change` names, all in one step. @throws NetlinkError ENODEV, EBUSY (a new name while it is up). */
export function changeLink(client: NetlinkClient, index: number, change: LinkChange): void {
  const { name, mtu, up, noArp, mac } = change
  const flags = (up ? linkFlag.up : 0) | (noArp ? linkFlag.noArp : 0)
  const mask = (up === undefined ? 0 : linkFlag.up) | (noArp === undefined ? 0 : linkFlag.noArp)
  const body = concat([
    info(index, flags, mask),
    ...(name === undefined ? [] : [attribute(attributeOf.name, cstring(name))]),
    ...(mtu === undefined ? [] : [attribute(attributeOf.mtu, uint32(mtu))]),
    ...(mac === undefined ? [] : [attribute(attributeOf.address, mac)]),
  ])
  client.change(`change link ${index}`, message.set, body)
}

/**
 * From when it next comes up on, the link makes no IPv6 addresses of its own: it has those that it is given.
 *
 * @throws NetlinkError ENODEV, EAFNOSUPPORT (a kernel without IPv6).
 */
export function stopOwnIpv6(client: NetlinkClient, index: number): void {
  const mode = attribute(addressGeneration, Uint8Array.of(generateNone))
  const body = concat([info(index), attribute(attributeOf.perFamily, attribute(ipv6, mode))])
  client.change(`stop own IPv6 addresses of link ${index}`, message.set, body)
}

/** Packets to and from 127.0.0.0/8 are taken on this link too (the setting route_localnet). @throws NetlinkError ENODEV. */
export function acceptLocalhost(client: NetlinkClient, index: number): void {
  const settings = attribute(ipv4Settings, attribute(routeLocalnet, uint32(1)))
  const body = concat([info(index), attribute(attributeOf.perFamily, attribute(ipv4, settings))])
  client.change(`accept localhost on link ${index}`, message.set, body)
}

/** @throws NetlinkError ENODEV. */
export function deleteLink(client: NetlinkClient, index: number): void {
  client.change(`delete link ${index}`, message.delete, info(index))
}

/** u8 family, u8 padding, u16 type, i32 index, u32 flags, u32 mask of the flags that change. */
function info(index: number, flags = 0, mask = 0): Uint8Array {
  return structure(infoBytes, (to) => {
    to.setInt32(4, index, true)
    to.setUint32(8, flags, true)
    to.setUint32(12, mask, true)
  })
}
