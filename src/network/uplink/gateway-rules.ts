/** The packet filter of a container's gateway: rules for nft(8), in a network namespace between the container and pasta. */

import type { AllowedHost, NetworkWishes, PublishedPort } from '../../bundle/network.ts'
import { ipVersion } from '../../netlink/ip.ts'
import { isAddress, mostOpen, neverForwarded, neverForwardedIpv6, openSets } from '../egress/egress.ts'
import { type ContainerLink, gatewayLinks, ownIpv6, pastaLink, pastaLinkIpv6 } from './addresses.ts'
import { bridgeRules } from './bridge-rules.ts'

const { up, down } = gatewayLinks

const refuse = 'reject with icmpx admin-prohibited'
/** The addresses of the host are closed by host-rules.ts, which knows them at all times. */
const closedFirst = [
  `ip daddr { ${neverForwarded.join(', ')} } ${refuse}`,
  // With IPv4 a container's address may hide one outside; here no address outside is ours.
  `ip6 daddr { ${[...neverForwardedIpv6, `${ownIpv6.prefix}/${ownIpv6.bits}`].join(', ')} } ${refuse}`,
]

/** Whoever asks for a name in spite of that has its answer at once, and does not wait for one. */
const noNameServer = 'reject'

/** Without a name server of its own the container asks the host's, by the gateway's address. */
const toNameServer = (gateway: string) =>
  ['udp', 'tcp'].map(
    (protocol) => `iifname "${down}" ip daddr ${gateway} ${protocol} dport 53 dnat ip to ${pastaLink.dns}`,
  )

const toAll = (families: string) => [
  `meta l4proto { tcp, udp } ip daddr ${pastaLink.dns} ct status dnat accept`,
  ...closedFirst,
  `meta nfproto ${families} oifname "${up}" accept`,
]

/** TCP to what is named; the container's name server opens what names lead to (../resolver). */
function toAllowed(allowed: readonly AllowedHost[]): string[] {
  const addresses = allowed.filter(isAddress).map(({ host, port }) => {
    const ports = port === undefined ? 'meta l4proto tcp' : `tcp dport ${port}`
    return `oifname "${up}" ${ipVersion(host) === 6 ? 'ip6' : 'ip'} daddr ${host} ${ports} accept`
  })
  const named = (['ip', 'ip6'] as const).flatMap((protocol) => {
    const { anyPort, onePort } = protocol === 'ip' ? openSets.ipv4 : openSets.ipv6
    return [
      `oifname "${up}" meta l4proto tcp ${protocol} daddr @${anyPort} accept`,
      `oifname "${up}" ${protocol} daddr . tcp dport @${onePort} accept`,
    ]
  })
  return [...closedFirst, ...addresses, ...named, refuse]
}

/** A client gets to the container with the family that it came with. */
function toPublished(
  ports: readonly PublishedPort[],
  protocol: PublishedPort['protocol'],
  { ipv6, ...ipv4 }: ContainerLink,
): string[] {
  const own = new Set(ports.filter((port) => port.protocol === protocol).map(({ container }) => container))
  if (own.size === 0) return []
  const lead = (family: string, at: string, to: string) =>
    `iifname "${up}" ${family} daddr ${at} ${protocol} dport { ${[...own].join(', ')} } dnat ${family} to ${to}`
  return [
    lead('ip', pastaLink.own, ipv4.container),
    ...(ipv6 === undefined ? [] : [lead('ip6', pastaLinkIpv6.own, ipv6.container)]),
  ]
}

/** Whether the container asks a name server of its own for names. */
export const hasNameServer = ({ allowed, place }: NetworkWishes): boolean =>
  place !== undefined || allowed?.some((host) => !isAddress(host)) === true

/**
 * The kernel counts elements whose time is over until it sweeps them, so that a set has room for more than what is open. (Of this size it makes room as
 * elements come; half of it would be made at once, half a MiB for each set.)
 */
const timed = `flags timeout; size ${2 * mostOpen};`

/** Pure. Without IPv6 on the link there is no rule that accepts it. */
export function gatewayRules(wishes: NetworkWishes, link: ContainerLink): string {
  const { ports, allowed, place, mac } = wishes
  const { ipv4, ipv6 } = openSets
  const own = hasNameServer(wishes)
  return `
table inet gateway {
  set ${ipv4.anyPort} { type ipv4_addr; ${timed} }
  set ${ipv4.onePort} { type ipv4_addr . inet_service; ${timed} }
  set ${ipv6.anyPort} { type ipv6_addr; ${timed} }
  set ${ipv6.onePort} { type ipv6_addr . inet_service; ${timed} }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "${up}" ct status dnat accept
    iifname != "${down}" drop
    ${place === undefined ? '' : bridged}
    ip saddr != ${link.container} drop
    ${link.ipv6 === undefined ? 'meta nfproto ipv6 drop' : `ip6 saddr != ${link.ipv6.container} drop`}
    ${(allowed === undefined ? toAll(link.ipv6 === undefined ? 'ipv4' : '{ ipv4, ipv6 }') : toAllowed(allowed)).join('\n    ')}
  }
  chain input {
    type filter hook input priority filter; policy drop;
    ${onlyFromContainer(link).join('\n    ')}
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname "${down}" icmp type echo-request accept
    iifname "${down}" icmpv6 type echo-request accept
    iifname "${down}" ip daddr ${link.gateway} meta l4proto { tcp, udp } th dport 53 ${own ? 'accept' : noNameServer}
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${allowed === undefined && !own ? toNameServer(link.gateway).join('\n    ') : ''}
    ${[...toPublished(ports, 'tcp', link), ...toPublished(ports, 'udp', link)].join('\n    ')}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${up}" masquerade
  }
}
${place === undefined ? '' : bridgeRules(link, mac ?? '')}`
}

/**
 * The gateway would remember a neighbour for each address that a packet says it comes from, and the kernel has room for some hundred
 * neighbours in all of the host's network namespaces together. ARP is held to the link by the setting arp_ignore (gateway-script.ts).
 */
const onlyFromContainer = ({ container, ipv6 }: ContainerLink): string[] => [
  `iifname "${down}" ip saddr != ${container} drop`,
  ipv6 === undefined
    ? `iifname "${down}" meta nfproto ipv6 drop`
    : `iifname "${down}" ip6 saddr != { ${ipv6.container}, ${ipv6.linkLocal.container} } drop`,
]

/** A host with br_netfilter shows these rules what is bridged, too. What is routed back gets no further than the container. */
const bridged = `iifname "${down}" oifname "${down}" accept`
