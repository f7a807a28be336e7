/** Between the agent protocol's texts and netlink's bytes. Pure: tested on the host. */

import {
  family,
  familyOf,
  formatIp,
  formatPrefix,
  type Prefix,
  parseIp,
  parseMac,
  parsePrefix,
} from '../../../../src/netlink/ip.ts'
import { type Neighbour, neighbourState } from '../../../../src/netlink/neighbour.ts'
import { localTable, type Route, routeProtocol } from '../../../../src/netlink/route.ts'
import {
  type ARPNeighbor,
  type IPAddress,
  IPFamily,
  type Route as RouteMessage,
} from '../../../../src/protocol/generated/types.ts'
import { invalid } from '../errors.ts'

/** Index of the link with this name. Throws when there is none. */
export type FindLink = (name: string) => number

/** `{address: "10.1.0.2", mask: "24"}`. @throws TtrpcError INVALID_ARGUMENT. */
export function toPrefix({ address, mask }: Pick<IPAddress, 'address' | 'mask'>): Prefix {
  const prefix = parsePrefix(`${address}/${mask}`)
  if (prefix === undefined) throw invalid(`${address}/${mask} is no address`)
  return prefix
}

export function fromPrefix({ address, length }: Prefix): IPAddress {
  return { family: protocolFamily(address), address: formatIp(address), mask: String(length) }
}

const protocolFamily = (address: Uint8Array): IPFamily =>
  familyOf(address) === family.ipv4 ? IPFamily.IP_V4 : IPFamily.IP_V6

/** @throws TtrpcError INVALID_ARGUMENT, and what `find` throws. */
export function toRoute(message: RouteMessage, find: FindLink, protocol: number = routeProtocol.boot): Route {
  const destination = isDefault(message.dest) ? undefined : parsePrefix(message.dest)
  if (!isDefault(message.dest) && destination === undefined)
    throw invalid(`${message.dest} is no destination`)
  const gateway = optionalIp(message.gateway)
  const source = optionalIp(message.source)
  const { scope, flags, mtu, metric } = message
  const of = message.family === IPFamily.IP_V6 ? family.ipv6 : family.ipv4
  return {
    family: destination === undefined ? of : familyOf(destination.address),
    ...(destination && { destination }),
    ...(gateway && { gateway }),
    ...(source && { source }),
    link: find(message.device),
    scope,
    flags,
    mtu,
    metric,
    protocol,
    // Elsewhere it has no effect: all of localhost is this machine's own before other tables are asked.
    ...(destination && isLocalhost(destination.address) ? { table: localTable } : {}),
  }
}

const isLocalhost = (address: Uint8Array): boolean => address.length === 4 && address[0] === 127

/** Kata's host writes the default route as an empty text; others as a prefix of length 0. */
const isDefault = (dest: string): boolean =>
  dest === '' || dest === 'default' || /^(0\.0\.0\.0|::)\/0$/.test(dest)

function optionalIp(text: string): Uint8Array | undefined {
  if (text === '') return
  // Some hosts write a source as a prefix.
  const ip = parseIp(text.split('/')[0]!)
  if (ip === undefined) throw invalid(`${text} is no address`)
  return ip
}

export function fromRoute(route: Route, device: string): RouteMessage {
  const { destination, gateway, source, scope, flags, mtu, metric } = route
  return {
    dest: destination === undefined ? '' : formatPrefix(destination),
    gateway: gateway === undefined ? '' : formatIp(gateway),
    source: source === undefined ? '' : formatIp(source),
    family: route.family === family.ipv4 ? IPFamily.IP_V4 : IPFamily.IP_V6,
    device,
    scope,
    flags,
    mtu,
    metric,
  }
}

/** @throws TtrpcError INVALID_ARGUMENT, and what `find` throws. */
export function toNeighbour(message: ARPNeighbor, find: FindLink): Neighbour {
  const { toIpAddress, device, lladdr, state, flags } = message
  const address = parseIp(toIpAddress?.address ?? '')
  const mac = parseMac(lladdr)
  if (address === undefined || mac === undefined)
    throw invalid(`${toIpAddress?.address ?? ''} at ${lladdr} is no neighbour`)
  return { address, mac, link: find(device), state: state || neighbourState.permanent, flags }
}
