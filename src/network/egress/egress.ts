/** What a container may reach by name, and for how long. Pure but for its clock. */
import { isIPv4 } from 'node:net'
import type { AllowedHost } from '../../bundle/network.ts'

/**
 * Where no container may go, and no network of containers may be: this network, loopback, link-local (metadata services of clouds are
 * there), multicast, reserved and broadcast.
 */
export const neverForwarded = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
] as const

/** Whether an IPv4 address is none of these. */
export const isForwarded = (address: string): boolean =>
  neverForwarded.every((network) => !isIn(address, network.split('/')[0]!, Number(network.split('/')[1])))

/** No answer opens these: names that lead into somebody's own network are how rebinding gets there (RFC 6890). */
const closedNetworks: readonly (readonly [network: string, bits: number])[] = [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const),
  ...([
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
  ] as const),
  ...([
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const),
]

/** Whether an address that a name server gave may be opened. */
export function isPublic(address: string): boolean {
  return closedNetworks.every(([network, bits]) => !isIn(address, network, bits))
}

const isIn = (address: string, network: string, bits: number): boolean =>
  numberOf(address) >>> (32 - bits) === numberOf(network) >>> (32 - bits)

function numberOf(address: string): number {
  return address.split('.').reduce((value, byte) => ((value << 8) | Number(byte)) >>> 0, 0)
}

/** The ports that are allowed for a name: none when the name is not. `undefined` in it is every port. */
export function portsOf(allowed: readonly AllowedHost[], name: string): readonly (number | undefined)[] {
  return allowed.filter(({ host }) => covers(host, name)).map(({ port }) => port)
}

function covers(host: string, name: string): boolean {
  return host.startsWith('*.') ? name.endsWith(host.slice(1)) : host === name
}

/** Those that are addresses need no name server. */
export const isAddress = ({ host }: AllowedHost): boolean => isIPv4(host)

/** The sets of the gateway's rules. */
export const openSets = { anyPort: 'open', onePort: 'open_port' } as const

/** An answer is good for at least so long, seconds: the container has to connect. */
const leastSeconds = 2
/** And for no longer, whatever it says. */
const mostSeconds = 3600

export const openSeconds = (ttl: number): number =>
  Math.min(Math.max(Math.ceil(ttl), leastSeconds), mostSeconds)

/** What is open: an address stays for the longest of the answers that gave it. */
export class OpenAddresses {
  readonly #until = new Map<string, number>()
  readonly #now: () => number

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** The commands for nft(8) that open what these answers give; empty when all of it is open for long enough. */
  open(
    addresses: readonly { readonly address: string; readonly ttl: number }[],
    ports: readonly (number | undefined)[],
  ): string {
    const now = this.#now()
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key)
    return addresses
      .flatMap(({ address, ttl }) => ports.map((port) => this.#openOne(address, port, openSeconds(ttl), now)))
      .join('')
  }

  #openOne(address: string, port: number | undefined, seconds: number, now: number): string {
    const key = port === undefined ? address : `${address} . ${port}`
    const until = now + seconds * 1000
    if ((this.#until.get(key) ?? 0) >= until) return ''
    this.#until.set(key, until)
    const set = `inet gateway ${port === undefined ? openSets.anyPort : openSets.onePort}`
    // The time of an element that is there cannot be changed; adding it first makes deleting it possible.
    return `add element ${set} { ${key} }\ndelete element ${set} { ${key} }\nadd element ${set} { ${key} timeout ${seconds}s }\n`
  }
}
