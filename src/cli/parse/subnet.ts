/** `--subnet ADDRESS/BITS`: the IPv4 addresses of a network. */
import { KataError } from '../../errors.ts'
import { formatIp, parseIp } from '../../netlink/ip.ts'
import { reservedNetworks } from '../../network/egress/egress.ts'

export interface Subnet {
  /** `10.89.0.0/24`. */
  readonly text: string
  /** The first address, as a number. */
  readonly first: number
  readonly bits: number
}

/** Room for a gateway and some containers, and not more than a class A network. */
const bounds = { least: 8, most: 29 } as const

/** Names of networks that containers cannot be put on by an address of theirs. @throws KataError OPTION_INVALID. */
export function parseSubnet(text: string): Subnet {
  const [, address = '', digits = ''] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? []
  const bytes = parseIp(address)
  const bits = Number(digits)
  if (bytes !== undefined && bits >= bounds.least && bits <= bounds.most) {
    const subnet = subnetAt(numberOf(address), bits)
    if (!holdsReserved(subnet)) return subnet
  }
  throw new KataError('OPTION_INVALID', {
    option: '--subnet',
    value: text,
    allowed: `an IPv4 network with ${bounds.least} to ${bounds.most} bits, such as 10.89.3.0/24, but none that is loopback, link-local, multicast or reserved; the IPv6 addresses of a network follow from it`,
  })
}

/** Anywhere: link-local addresses lie in the middle of 169.252.0.0/14. */
const holdsReserved = (subnet: Subnet): boolean =>
  reservedNetworks.some((network) => {
    const [address = '', bits] = network.split('/')
    return overlaps(subnet, subnetAt(numberOf(address), Number(bits)))
  })

export function subnetAt(address: number, bits: number): Subnet {
  const first = (address & (-1 << (32 - bits))) >>> 0
  return { text: `${textOf(first)}/${bits}`, first, bits }
}

export const sizeOf = ({ bits }: Pick<Subnet, 'bits'>): number => 2 ** (32 - bits)

/** The address at this place, counted from 0. */
export const addressAt = ({ first }: Subnet, index: number): string => textOf(first + index)

/** Its place in the subnet; undefined when it is outside. */
export function indexOf(subnet: Subnet, address: string): number | undefined {
  if (parseIp(address)?.length !== 4) return undefined
  const index = numberOf(address) - subnet.first
  return index >= 0 && index < sizeOf(subnet) ? index : undefined
}

export function overlaps(one: Subnet, other: Subnet): boolean {
  return one.first < other.first + sizeOf(other) && other.first < one.first + sizeOf(one)
}

const numberOf = (address: string): number => parseIp(address)!.reduce((value, byte) => value * 256 + byte, 0)

const textOf = (value: number): string =>
  formatIp(Uint8Array.from([24, 16, 8, 0], (shift) => (value >>> shift) & 0xff))
