/**
 * Addresses of a container's own network. They are the same for every container, because nothing outside of its namespaces sees
 * them; so few are used that hardly anything of the outside hides behind them.
 */

/** The container's link to its gateway. */
export const containerLink = { container: '10.88.0.2', gateway: '10.88.0.1', bits: 30 } as const

/** The gateway's link to pasta. Link-local addresses are never forwarded for a container. */
export const pastaLink = { own: '169.254.2.1', gateway: '169.254.2.2', dns: '169.254.2.3', bits: 24 } as const

/** Interfaces in the gateway's namespace: to pasta and to the container. */
export const gatewayLinks = { up: 'up0', down: 'down0' } as const
