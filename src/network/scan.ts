/** Reads the interfaces, routes and neighbours of a pod's network namespace. */
import { KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type Address, listAddresses } from '../netlink/address.ts'
import type { NetlinkClient } from '../netlink/client.ts'
import { formatIp } from '../netlink/ip.ts'
import { type Link, linkFlag, listLinks } from '../netlink/link.ts'
import { listNeighbours, type Neighbour, neighbourState } from '../netlink/neighbour.ts'
import { listRoutes, type Route } from '../netlink/route.ts'
import { listRules } from '../netlink/rule.ts'
import type { NetworkFacts, PodInterface } from './facts.ts'

/** Each takes a slot of the machine's PCI bus. */
const mostInterfaces = 8

/**
 * Every link that has an address counts, except loopback, as with Kata. Links that are up without one, routes that the agent protocol cannot
 * describe, and rules are left out with a warning.
 *
 * @throws KataError NETWORK_INTERFACE_UNSUPPORTED, NETWORK_INTERFACES_ALIKE, NETWORK_TOO_MANY. @throws NetlinkError.
 */
export function scanNetwork(client: NetlinkClient, log: Logger): NetworkFacts {
  const addresses = listAddresses(client)
  const links = listLinks(client)
    .filter(({ flags }) => (flags & linkFlag.loopback) === 0)
    .map((link) => ({ link, own: addresses.filter((address) => address.link === link.index) }))
  const found = links.filter(({ own }) => own.length > 0)
  const interfaces = found.map(({ link, own }) => podInterface(link, own))
  if (interfaces.length > mostInterfaces)
    throw new KataError('NETWORK_TOO_MANY', { count: interfaces.length, most: mostInterfaces })
  requireDistinct(interfaces)
  const bare = namesMissed(
    links.filter(({ own }) => own.length === 0).map(({ link }) => link),
    found.map(({ link }) => link),
  )
  if (bare.length > 0) log.warn(bareWarning, { interfaces: listed(bare) })
  const deaf = onOthers(found.map(({ link }) => link))
  if (deaf.length > 0) log.warn(deafWarning, { interfaces: deaf.join(', ') })
  const isOurs = ({ link }: { link: number }) => interfaces.some(({ index }) => index === link)
  const others: string[] = []
  const routes = listRoutes(client, (route, why) => others.push(`${route} (${why})`)).filter(isOurs)
  for (const { priority, table } of listRules(client)) others.push(`rule ${priority} (table ${table})`)
  if (interfaces.length > 0 && others.length > 0)
    log.warn('routes and rules of the pod that the guest does not have as they are', {
      routes: listed(others),
    })
  const neighbours = listNeighbours(client).filter((entry) => isOurs(entry) && isKept(entry, routes))
  return { interfaces, routes, neighbours }
}

const bareWarning = 'interfaces of the pod that the guest does not have, because they have no address'

/**
 * Names of the links that somebody has put to use, and that no other interface of the pod lies on. Tun and tap devices belong to programs, the
 * redirection among them. The kernel's base devices of tunnels are down.
 */
function namesMissed(bare: readonly Link[], others: readonly Link[]): string[] {
  return bare
    .filter(({ flags, kind, isPort }) => (flags & linkFlag.up) !== 0 && kind !== 'tun' && !isPort)
    .filter(({ index }) => !others.some(({ lower }) => lower === index))
    .map(({ name }) => name)
}

const deafWarning =
  'interfaces that receive nothing: what comes in goes to the guest by the interface of the pod that they lie on'

/** Kinds of interfaces that get their packets from another one, after its ingress queue. */
const upper: ReadonlySet<string> = new Set(['macvlan', 'macvtap', 'ipvlan', 'ipvtap', 'vlan', 'macsec'])

/** Those of a network plugin that makes them on an interface of the pod (`linkInContainer`), where that one has an address, too. */
function onOthers(links: readonly Link[]): string[] {
  return links.flatMap(({ name, kind, lower }) => {
    const below = upper.has(kind) ? links.find(({ index }) => index === lower) : undefined
    return below === undefined ? [] : [`${name} on ${below.name}`]
  })
}

/** What a card has whose driver or VMM is to choose one. */
const noMac = '00:00:00:00:00:00'

/** A plugin may have made thousands. */
const mostNamed = 16

function listed(names: readonly string[]): string {
  const named = names.slice(0, mostNamed).join(', ')
  const more = names.length - mostNamed
  return more > 0 ? `${named} and ${more} others` : named
}

function podInterface(
  { index, name, mac, mtu, flags, kind }: Link,
  addresses: readonly Address[],
): PodInterface {
  // A tunnel has no Ethernet frames that a tap could carry, and what carries IP packets in empty ones (netkit, as Cilium makes it) has no address.
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) || mac === noMac)
    throw new KataError('NETWORK_INTERFACE_UNSUPPORTED', { name, kind: kind || 'hardware' })
  const noArp = (flags & linkFlag.noArp) !== 0
  const prefixes = addresses.map(({ address, length }) => ({ address, length }))
  return { index, name, mac, mtu, noArp, kind, addresses: prefixes }
}

/** The guest knows its cards by their hardware addresses. */
function requireDistinct(interfaces: readonly PodInterface[]): void {
  for (const [at, { name, mac }] of interfaces.entries()) {
    const other = interfaces.slice(0, at).find((one) => one.mac === mac)
    if (other !== undefined) throw new KataError('NETWORK_INTERFACES_ALIKE', { name, other: other.name, mac })
  }
}

/** Permanent entries, and a default gateway that has answered. The guest finds the other neighbours itself. */
function isKept({ address, link, state }: Neighbour, routes: readonly Route[]): boolean {
  if ((state & neighbourState.permanent) !== 0) return true
  if ((state & neighbourState.reachable) === 0) return false
  return routes.some(
    ({ destination, gateway, link: by }) =>
      destination === undefined &&
      by === link &&
      gateway !== undefined &&
      formatIp(gateway) === formatIp(address),
  )
}
