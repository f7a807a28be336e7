/**
 * Makes localhost of the pod's namespace lead to the machine, because containerd forwards a port (`kubectl port-forward`) by
 * connecting to localhost there. The namespace's own stack gives up 127.0.0.1 and reaches it over the tap, from
 * an address that only the stack and the guest use.
 */
import { addAddress, deleteAddress, listAddresses } from '../netlink/address.ts'
import type { NetlinkClient } from '../netlink/client.ts'
import { tolerate } from '../netlink/error.ts'
import { family, formatPrefix, type Prefix, parseIp, parseMac } from '../netlink/ip.ts'
import { acceptLocalhost } from '../netlink/link.ts'
import { addNeighbour, neighbourState } from '../netlink/neighbour.ts'
import { addRoute, routeProtocol, routeScope } from '../netlink/route.ts'
import { leaveToStack, type PacketField } from '../netlink/traffic.ts'
import { embeddedAddress } from './embedded-dns.ts'
import { loopbackLink } from './link-named.ts'

/** From the reserved part of the link-local addresses, which is not used for autoconfiguration (RFC 3927, 2.1). */
export const hostPeer: Prefix = { address: parseIp('169.254.255.1')!, length: 32 }
export const embeddedServer: Prefix = { address: parseIp(embeddedAddress)!, length: 32 }
const localhost: Prefix = { address: parseIp('127.0.0.1')!, length: 32 }
const everyLocalhost: Prefix = { address: parseIp('127.0.0.0')!, length: 8 }
const usual: Prefix = { address: parseIp('127.0.0.1')!, length: 8 }

/** ETH_P_8021Q and ETH_P_8021AD. */
const tags = [0x8100, 0x88a8]

export interface LocalhostWay {
  readonly client: NetlinkClient
  /** Indices of the pod's interface and of its tap. */
  readonly link: number
  readonly tap: number
  /** The hardware address of the card in the guest. */
  readonly mac: string
  /** Whether what the guest sends to Docker's name server comes to the stack (embedded-dns.ts). */
  readonly nameServer: boolean
}

/** To be called before the two links are redirected to each other: the first filter that matches counts. */
export function leadLocalhost({ client, link, tap, mac, nameServer }: LocalhostWay): void {
  // The guest accepts packets for 127.0.0.1 from its card. Such packets from the network end here, as in any stack.
  leaveToStack(client, link, 'localhost', sentTo(everyLocalhost))
  for (const tag of tags) leaveToStack(client, link, 'tags that say nothing', twoIdleTags(tag))
  // From nowhere else: the stack would look for whoever seems to ask, and the kernel has room for few neighbours.
  leaveToStack(client, tap, 'what answers us', [...sentTo(hostPeer), ...sentFrom(localhost)])
  if (nameServer) leaveToStack(client, tap, 'questions for Docker', sentTo(embeddedServer))
  const { index: loopback } = loopbackLink(client)
  for (const address of listAddresses(client).filter(isLocalhost))
    tolerate(['EADDRNOTAVAIL'], () => deleteAddress(client, address.link, address))
  addAddress(client, loopback, hostPeer)
  // It listens there, and its address went with all of localhost.
  if (nameServer) addAddress(client, loopback, embeddedServer)
  acceptLocalhost(client, tap)
  addNeighbour(client, {
    address: localhost.address,
    mac: parseMac(mac)!,
    link: tap,
    state: neighbourState.permanent,
    flags: 0,
  })
  addRoute(client, {
    destination: localhost,
    family: family.ipv4,
    link: tap,
    source: hostPeer.address,
    scope: routeScope.link,
    protocol: routeProtocol.static,
    flags: 0,
    mtu: 0,
    metric: 0,
  })
}

/** IPv4 with this destination, VLAN-tagged or not. */
const sentTo = (to: Prefix): PacketField[] => [
  { at: 0, mask: 0xf000_0000, value: 0x4000_0000 },
  addressField(16, to),
]

const sentFrom = (from: Prefix): PacketField[] => [addressField(12, from)]

const addressField = (at: number, { address, length }: Prefix): PacketField => ({
  at,
  mask: (-1 << (32 - length)) >>> 0,
  value: Buffer.from(address).readUInt32BE(),
})

/**
 * A second VLAN tag, with id 0, which names no VLAN. Every stack strips any number of such tags, but only the first is gone when
 * the filters look. Packets behind more tags would reach the guest.
 */
const twoIdleTags = (tag: number): PacketField[] => [
  { at: -4, mask: 0xffff, value: tag },
  { at: 0, mask: 0x0fff_0000, value: 0 },
]

/** Gives the loopback interface back what {@link leadLocalhost} took; the rest goes away with the tap. */
export function restoreLocalhost(client: NetlinkClient): void {
  const { index: loopback } = loopbackLink(client)
  const found = listAddresses(client)
  const isEmbedded = (address: Prefix) => formatPrefix(address) === formatPrefix(embeddedServer)
  if (!found.some((address) => isLocalhost(address) && !isEmbedded(address)))
    addAddress(client, loopback, usual)
  if (found.some(isEmbedded))
    tolerate(['EADDRNOTAVAIL'], () => deleteAddress(client, loopback, embeddedServer))
  if (found.some((address) => formatPrefix(address) === formatPrefix(hostPeer)))
    tolerate(['EADDRNOTAVAIL'], () => deleteAddress(client, loopback, hostPeer))
}

const isLocalhost = ({ address }: Prefix): boolean => address.length === 4 && address[0] === 127
