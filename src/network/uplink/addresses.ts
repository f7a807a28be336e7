/**
 * Addresses of a container's own network. They are the same for every container, because nothing outside of its namespaces sees
 * them; so few are used that hardly anything of the outside hides behind them.
 */
import type { NetworkWishes } from '../../bundle/network.ts'

/** The container's link to its gateway, when the network is its own. */
export const containerLink = { container: '10.88.0.2', gateway: '10.88.0.1', bits: 30 } as const

/** The container's end of that link, and the gateway's. */
export interface ContainerLink {
  readonly container: string
  readonly gateway: string
  readonly bits: number
}

/** On a shared network the addresses are those of the network. */
export const linkOf = ({ place }: NetworkWishes): ContainerLink =>
  place === undefined ? containerLink : { container: place.address, gateway: place.gateway, bits: place.bits }

/** The gateway's link to pasta. Link-local addresses are never forwarded for a container. */
export const pastaLink = { own: '169.254.2.1', gateway: '169.254.2.2', dns: '169.254.2.3', bits: 24 } as const

/**
 * Interfaces in the gateway's namespace: to pasta and to the container. On a shared network the latter is a bridge with two ports, to the
 * container and to the network.
 */
export const gatewayLinks = { up: 'up0', down: 'down0', port: 'port0', network: 'net0' } as const
