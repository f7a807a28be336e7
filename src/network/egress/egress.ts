/** What a container may reach by name, and for how long. Pure but for its clock. */
import type { AllowedHost } from '../../bundle/network.ts'
import { ipVersion, parseIp } from '../../netlink/ip.ts'

/** What is no place for a network: this network, loopback, link-local, multicast, reserved and broadcast (RFC 6890). */
export const reservedNetworks = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'],
] as const

/**
 * Where clouds tell a machine who it is, often with credentials of its owner. Most do so at 169.254.169.254: AWS, Google, Azure, Oracle,
 * Hetzner, DigitalOcean, OpenStack, which has fe80::a9fe:a9fe besides. AWS has 169.254.170.2 (ECS) and 169.254.170.23 (EKS), Tencent
 * 169.254.0.23, Scaleway 169.254.42.42: all of it is link-local. These are not. Each is one address, as its surroundings are somebody's
 * own network.
 */
const cloudServices = {
  ipv4: [
    // Alibaba Cloud, "Instance metadata" of ECS.
    '100.100.100.200',
    // Azure, "What is IP address 168.63.129.16?": the agent's server, which knows secrets of the machine. It is a public address.
    '168.63.129.16',
    // Oracle Cloud at Customer, "Retrieve Predefined Instance Metadata".
    '192.0.0.192',
  ],
  ipv6: [
    // AWS, "Supporting Amazon VPC services" and "Set up the EKS Pod Identity Agent": ::254, ::23 and all others.
    'fd00:ec2::/112',
    // Google gives its customers networks beside it, fd20::/20.
    'fd20:ce::254',
    // Oracle's SDK.
    'fd00:c1::a9fe:a9fe',
    // As cloud-init has them: Alibaba, Scaleway, Akamai.
    ...['fd00:100::100:200', 'fd00:42::42', 'fd00:a9fe:a9fe::1'],
  ],
} as const

/** Where no container may go. */
export const neverForwarded = [...reservedNetworks, ...cloudServices.ipv4] as const

/** The same with IPv6: what holds an IPv4 address (mapped, compatible, NAT64), link-local, site-local and multicast besides. */
export const neverForwardedIpv6 = [
  ...['::/8', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
  ...cloudServices.ipv6,
] as const

/** Whether an address is none of these. */
export const isForwarded = (address: string): boolean =>
  [...neverForwarded, ...neverForwardedIpv6].every((network) => !isIn(address, network))

/** No answer opens these: DNS rebinding uses names that lead into private networks (RFC 6890). */
const closedNetworks = [
  ...neverForwarded,
  ...['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15'],
] as const

/** All of IPv6 but this is private, or not given to anybody. */
const globalIpv6 = '2000::/3'
/** Teredo and 6to4 hold IPv4 addresses; the others of the first are no places. */
const closedIpv6 = ['2001::/23', '2002::/16'] as const

/** Whether an address that a name server gave may be opened. */
export function isPublic(address: string): boolean {
  const closed = (network: string) => isIn(address, network)
  if (ipVersion(address) === 6) return isIn(address, globalIpv6) && !closedIpv6.some(closed)
  return ipVersion(address) === 4 && !closedNetworks.some(closed)
}

/** Whether an address is in a network of its family. An address alone is a network of one. */
export function isIn(address: string, network: string): boolean {
  const [of = '', bits = '128'] = network.split('/')
  const [bytes, prefix] = [parseIp(address), parseIp(of)]
  if (bytes === undefined || prefix === undefined || bytes.length !== prefix.length) return false
  return prefix.every((byte, index) => {
    const mask = 0xff & (0xff00 >> Math.min(8, Math.max(0, Number(bits) - 8 * index)))
    return (byte & mask) === (bytes[index]! & mask)
  })
}

/** The ports that are allowed for a name: none when the name is not. `undefined` in it is every port. */
export function portsOf(allowed: readonly AllowedHost[], name: string): readonly (number | undefined)[] {
  return allowed.filter(({ host }) => covers(host, name)).map(({ port }) => port)
}

function covers(host: string, name: string): boolean {
  return host.startsWith('*.') ? name.endsWith(host.slice(1)) : host === name
}

/** Those that are addresses need no name server. */
export const isAddress = ({ host }: AllowedHost): boolean => ipVersion(host) !== 0

/** The sets of the gateway's rules. */
export const openSets = {
  ipv4: { anyPort: 'open', onePort: 'open_port' },
  ipv6: { anyPort: 'open6', onePort: 'open6_port' },
} as const

const setsOf = (address: string) => openSets[ipVersion(address) === 6 ? 'ipv6' : 'ipv4']

/** An answer is good for at least so long, seconds: the container has to connect. */
const leastSeconds = 2
/** And for no longer, whatever it says. */
const mostSeconds = 3600

/** Who owns an allowed name says how many addresses it has, and `*.name` is as many names as he likes. */
export const mostOpen = 32_768

export const openSeconds = (ttl: number): number =>
  Math.min(Math.max(Math.ceil(ttl), leastSeconds), mostSeconds)

/** An element of the sets. */
const keyOf = (address: string, port: number | undefined): string =>
  port === undefined ? address : `${address} . ${port}`

/** What is open: an address stays for the longest of the answers that gave it. */
export class OpenAddresses {
  readonly #until = new Map<string, number>()
  readonly #now: () => number

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * The commands for nft(8) that open what these answers give; empty when all of it is open for long enough.
   *
   * @throws Error when more would be open than {@link mostOpen}; nothing of these answers is, then.
   */
  open(
    addresses: readonly { readonly address: string; readonly ttl: number }[],
    ports: readonly (number | undefined)[],
  ): string {
    const now = this.#now()
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key)
    const asked = new Set(addresses.flatMap(({ address }) => ports.map((port) => keyOf(address, port))))
    if (this.#until.size + [...asked].filter((key) => !this.#until.has(key)).length > mostOpen)
      throw new Error(`more than ${mostOpen} addresses are open`)
    return addresses
      .flatMap(({ address, ttl }) => ports.map((port) => this.#openOne(address, port, openSeconds(ttl), now)))
      .join('')
  }

  #openOne(address: string, port: number | undefined, seconds: number, now: number): string {
    const key = keyOf(address, port)
    const until = now + seconds * 1000
    if ((this.#until.get(key) ?? 0) >= until) return ''
    this.#until.set(key, until)
    const { anyPort, onePort } = setsOf(address)
    const set = `inet gateway ${port === undefined ? anyPort : onePort}`
    // The time of an element that is there cannot be changed; adding it first makes deleting it possible.
    return `add element ${set} { ${key} }\ndelete element ${set} { ${key} }\nadd element ${set} { ${key} timeout ${seconds}s }\n`
  }
}
