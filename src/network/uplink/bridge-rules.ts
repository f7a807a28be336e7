/** The packet filter between a container and a network that it shares: rules for nft(8), on the bridge in its gateway. */
import { type ContainerLink, gatewayLinks, type Ipv6Ends } from './addresses.ts'

const { port, network } = gatewayLinks

/**
 * IPv4, ARP and IPv6 pass from the container's own addresses. Every gateway has the network's gateway address, for its own container
 * alone. It is no router within the network, and looks for no neighbour there. A bridge remembers without limit who sends by its ports,
 * so that a foreign hardware address is dropped before that. Pure.
 */
export function bridgeRules({ container, gateway, bits, ipv6 }: ContainerLink, mac: string): string {
  const subnet = `${gateway}/${bits}`
  const of = (rules: (ends: Ipv6Ends) => readonly string[]) =>
    ipv6 === undefined ? '' : rules(ipv6).join('\n    ')
  return `table bridge gateway {
  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    iifname "${port}" ether saddr != ${mac} drop
    iifname "${port}" arp saddr ip != ${container} drop
  }
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
    ${of(leaving)}
  }
  chain coming {
    ip saddr ${gateway} drop
    arp saddr ip ${gateway} drop
    ip saddr ${subnet} accept
    arp saddr ip ${subnet} accept
    ${of(coming)}
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${network}" drop
    ip daddr ${subnet} ip daddr != ${gateway} drop
    ${of(({ gateway, bits, linkLocal }) => [`ip6 daddr { ${gateway}/${bits}, ${linkLocal.gateway}/${linkLocal.bits} } ip6 daddr != { ${gateway}, ${linkLocal.gateway} } drop`])}
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oifname "${network}" drop
  }
}
`
}

/** Neighbour discovery does what ARP does, but a router's words would be heard by all. */
const leaving = ({ container, gateway, bits, linkLocal }: Ipv6Ends) => {
  const [own, router] = [`{ ${container}, ${linkLocal.container} }`, `{ ${gateway}, ${linkLocal.gateway} }`]
  const others = `{ ${gateway}/${bits}, ${linkLocal.gateway}/${linkLocal.bits}, ff02::/16 }`
  return [
    `ip6 daddr ${router} drop`,
    'icmpv6 type { nd-router-advert, nd-redirect } drop',
    `icmpv6 type nd-neighbor-solicit icmpv6 taddr ${router} drop`,
    `icmpv6 type nd-neighbor-advert icmpv6 taddr != ${own} drop`,
    `ip6 saddr ${own} ip6 daddr ${others} accept`,
  ]
}

const coming = ({ gateway, bits, linkLocal }: Ipv6Ends) => {
  const router = `{ ${gateway}, ${linkLocal.gateway} }`
  return [
    `ip6 saddr ${router} drop`,
    `icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } icmpv6 taddr ${router} drop`,
    `ip6 saddr { ${gateway}/${bits}, ${linkLocal.gateway}/${linkLocal.bits} } accept`,
  ]
}
