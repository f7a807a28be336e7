/** The packet filter of a container's gateway: rules for nft(8), in a network namespace between the container and pasta. */
import type { PublishedPort } from '../../bundle/network.ts'
import { containerLink, gatewayLinks, pastaLink } from './addresses.ts'

const { up, down } = gatewayLinks

/**
 * Where no container may go: this network, loopback, link-local (metadata services of clouds are there), multicast, reserved and
 * broadcast. The addresses of the host are closed by host-rules.ts, which knows them at all times.
 */
const closed = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4']

/** Pure. IPv6 has no rule that accepts it. */
export function gatewayRules({ ports }: { readonly ports: readonly PublishedPort[] }): string {
  const published = ports.map(
    ({ protocol, container }) =>
      `iifname "${up}" ip daddr ${pastaLink.own} ${protocol} dport ${container} dnat ip to ${containerLink.container}`,
  )
  return `
table inet gateway {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "${up}" ct status dnat accept
    iifname != "${down}" drop
    ip saddr != ${containerLink.container} drop
    meta l4proto { tcp, udp } ip daddr ${pastaLink.dns} ct status dnat accept
    ip daddr { ${closed.join(', ')} } reject with icmpx admin-prohibited
    ip version 4 oifname "${up}" accept
  }
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "${down}" icmp type echo-request accept
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "${down}" ip daddr ${containerLink.gateway} udp dport 53 dnat ip to ${pastaLink.dns}
    iifname "${down}" ip daddr ${containerLink.gateway} tcp dport 53 dnat ip to ${pastaLink.dns}
    ${published.join('\n    ')}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${up}" masquerade
  }
}
`
}
