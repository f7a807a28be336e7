/**
 * Addresses of a container's own network. They are the same for every container, because nothing outside of its namespaces sees
 * them; so few are used that hardly anything of the outside hides behind them.
 */
import type { NetworkPlace, NetworkWishes } from '../../bundle/network.ts'
import { formatIp, parseIp } from '../../netlink/ip.ts'

/** All IPv6 addresses of containers begin so (RFC 4193; its 40 bits were drawn). No packet with one of them leaves the host. */
export const ownIpv6 = { prefix: 'fd5e:9c41:7ab0::', bits: 48 } as const

/** The container's end of a link, and the gateway's, of one family. */
export interface Ends {
  readonly container: string
  readonly gateway: string
  readonly bits: number
}

/** IPv6 neighbour discovery uses link-local addresses: without one, a router finds only nodes that have asked it first. */
export interface Ipv6Ends extends Ends {
  readonly linkLocal: Ends
}

/** The container's link to its gateway. */
export interface ContainerLink extends Ends {
  /** Absent on a host without IPv6. */
  readonly ipv6?: Ipv6Ends | undefined
}

/** The container's link to its gateway, when the network is its own. */
export const containerLink = {
  container: '10.88.0.2',
  gateway: '10.88.0.1',
  bits: 30,
} as const satisfies Ends

/** The same 32 bits behind another prefix: where the one address is unique, the other is. */
function behind(prefix: string, ipv4: string): string {
  const bytes = parseIp(prefix)!
  bytes.set(parseIp(ipv4)!, 12)
  return formatIp(bytes)
}

/** The IPv6 address beside an IPv4 one. */
export const ipv6Beside = (ipv4: string): string => behind(ownIpv6.prefix, ipv4)

const endsBehind = (prefix: string, { container, gateway, bits }: Ends): Ends => ({
  container: behind(prefix, container),
  gateway: behind(prefix, gateway),
  bits: 96 + bits,
})

const beside = (ends: Ends): Ipv6Ends => ({
  ...endsBehind(ownIpv6.prefix, ends),
  linkLocal: endsBehind('fe80::', ends),
})

const endsAt = ({ address, gateway, bits }: NetworkPlace): Ends => ({ container: address, gateway, bits })

/** On a shared network the addresses are those of the network. */
export function linkOf({ place }: NetworkWishes, withIpv6: boolean): ContainerLink {
  const ends = place === undefined ? containerLink : endsAt(place)
  return withIpv6 ? { ...ends, ipv6: beside(ends) } : ends
}

/** The gateway's link to pasta. Link-local addresses are never forwarded for a container. */
export const pastaLink = { own: '169.254.2.1', gateway: '169.254.2.2', dns: '169.254.2.3', bits: 24 } as const

/** The same with IPv6; `localhost` is who a client on the host's ::1 seems to be. */
export const pastaLinkIpv6 = {
  own: 'fd5e:9c41:7ab0:1::1',
  gateway: 'fd5e:9c41:7ab0:1::2',
  localhost: 'fd5e:9c41:7ab0:1::3',
} as const

/**
 * Interfaces in the gateway's namespace: to pasta and to the container. On a shared network the latter is a bridge with two ports, to the
 * container and to the network.
 */
export const gatewayLinks = { up: 'up0', down: 'down0', port: 'port0', network: 'net0' } as const
