/** Where published ports are. */

import type { PublishedPort } from '../../bundle/network.ts'
import { hasIpv6Route } from '../../linux/interfaces/ipv6.ts'
import { ipVersion } from '../../netlink/ip.ts'

/** Addresses of the host at which the port is: without one it is at all of them, of each family that leads anywhere from the host. */
export const addressesOf = ({ address }: PublishedPort): readonly string[] =>
  address === undefined ? ['0.0.0.0', ...(hasIpv6Route() ? ['::'] : [])] : [address]

/** `127.0.0.1:8080`, `[::1]:8080`. */
export const placesOf = (port: PublishedPort): readonly string[] =>
  addressesOf(port).map((address) => `${ipVersion(address) === 6 ? `[${address}]` : address}:${port.host}`)
