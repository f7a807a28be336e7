/** The packet filter of a container's gateway: rules for nft(8), in a network namespace between the container and pasta. */
import type { AllowedHost, NetworkWishes } from '../../bundle/network.ts'
import { isAddress, neverForwarded, openSets } from '../egress/egress.ts'
import { type ContainerLink, gatewayLinks, linkOf, pastaLink } from './addresses.ts'

const { up, down, port, network } = gatewayLinks

const refuse = 'reject with icmpx admin-prohibited'
/** The addresses of the host are closed by host-rules.ts, which knows them at all times. */
const closedFirst = `ip daddr { ${neverForwarded.join(', ')} } ${refuse}`

/** Without a name server of its own the container asks the host's, by the gateway's address. */
const toNameServer = (gateway: string) =>
  ['udp', 'tcp'].map(
    (protocol) => `iifname "${down}" ip daddr ${gateway} ${protocol} dport 53 dnat ip to ${pastaLink.dns}`,
  )

const toAll = [
  `meta l4proto { tcp, udp } ip daddr ${pastaLink.dns} ct status dnat accept`,
  closedFirst,
  `ip version 4 oifname "${up}" accept`,
]

/** TCP to what is named; the container's name server opens what names lead to (../resolver). */
function toAllowed(allowed: readonly AllowedHost[]): string[] {
  const addresses = allowed.filter(isAddress).map(({ host, port }) => {
    const ports = port === undefined ? 'meta l4proto tcp' : `tcp dport ${port}`
    return `oifname "${up}" ip daddr ${host} ${ports} accept`
  })
  return [
    closedFirst,
    ...addresses,
    `oifname "${up}" meta l4proto tcp ip daddr @${openSets.ipv4.anyPort} accept`,
    `oifname "${up}" ip daddr . tcp dport @${openSets.ipv4.onePort} accept`,
    refuse,
  ]
}

/** Whether the container asks a name server of its own for names. */
export const hasNameServer = ({ allowed, place }: NetworkWishes): boolean =>
  place !== undefined || allowed?.some((host) => !isAddress(host)) === true

/** Pure. IPv6 has no rule that accepts it. */
export function gatewayRules(wishes: NetworkWishes): string {
  const { ports, allowed, place, mac } = wishes
  const link = linkOf(wishes)
  const own = hasNameServer(wishes)
  const published = ports.map(
    ({ protocol, container }) =>
      `iifname "${up}" ip daddr ${pastaLink.own} ${protocol} dport ${container} dnat ip to ${link.container}`,
  )
  return `
table inet gateway {
  set ${openSets.ipv4.anyPort} { type ipv4_addr; flags timeout; }
  set ${openSets.ipv4.onePort} { type ipv4_addr . inet_service; flags timeout; }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "${up}" ct status dnat accept
    iifname != "${down}" drop
    ${place === undefined ? '' : bridged}
    ip saddr != ${link.container} drop
    ${(allowed === undefined ? toAll : toAllowed(allowed)).join('\n    ')}
  }
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "${down}" icmp type echo-request accept
    ${own ? `iifname "${down}" ip daddr ${link.gateway} meta l4proto { tcp, udp } th dport 53 accept` : ''}
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${allowed === undefined && !own ? toNameServer(link.gateway).join('\n    ') : ''}
    ${published.join('\n    ')}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${up}" masquerade
  }
}
${place === undefined ? '' : bridgeRules(link, mac ?? '')}`
}

/** A host with br_netfilter shows these rules what is bridged, too. What is routed back gets no further than the container. */
const bridged = `iifname "${down}" oifname "${down}" accept`

/**
 * What passes between a container and its network: IPv4 and ARP, from the container's own addresses. Every gateway has the
 * network's gateway address, for its own container alone.
 */
function bridgeRules({ container, gateway, bits }: ContainerLink, mac: string): string {
  const subnet = `${gateway}/${bits}`
  return `table bridge gateway {
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "${port}" oifname "${network}" jump leaving
    iifname "${network}" oifname "${port}" jump coming
  }
  chain leaving {
    ether saddr != ${mac} drop
    ip daddr ${gateway} drop
    arp daddr ip ${gateway} drop
    ip saddr ${container} ip daddr { ${subnet}, 224.0.0.0/4, 255.255.255.255 } accept
    arp saddr ip ${container} arp saddr ether ${mac} accept
  }
  chain coming {
    ip saddr ${gateway} drop
    arp saddr ip ${gateway} drop
    ip saddr ${subnet} accept
    arp saddr ip ${subnet} accept
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${network}" drop
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oifname "${network}" drop
  }
}
`
}
