/** Addresses of network interfaces (rtnetlink(7), struct ifaddrmsg). */
import { concat, structure, uint32 } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { NetlinkFormatError } from './error.ts'
import { family, familyOf, formatPrefix, type Prefix } from './ip.ts'
import { attribute, flag, splitBody } from './message.ts'

const message = { new: 20, delete: 21, get: 22 } as const
const infoBytes = 8
const attributeOf = { address: 1, local: 2, broadcast: 4, flags: 8 } as const
/** Usable at once, without duplicate address detection. */
const noDuplicateDetection = 0x02
const scopeLink = 253

export interface Address extends Prefix {
  /** Index of the link. */
  readonly link: number
}

/** IP addresses of every link of the namespace. */
export function listAddresses(client: NetlinkClient): Address[] {
  return client
    .dump(
      'list addresses',
      message.get,
      structure(infoBytes, () => {}),
    )
    .map(parseAddress)
    .filter((address) => address !== undefined)
}

/** Undefined for another protocol than IP, such as phonet: the kernel tells those, too. @throws NetlinkFormatError. */
export function parseAddress(body: Uint8Array): Address | undefined {
  if (body[0] !== family.ipv4 && body[0] !== family.ipv6) return undefined
  const { head, attributes } = splitBody(body, infoBytes)
  // On a point-to-point link `address` is the other end.
  const address = attributes.get(attributeOf.local) ?? attributes.get(attributeOf.address)
  if (address === undefined || (address.length !== 4 && address.length !== 16))
    throw new NetlinkFormatError('an address message without an address')
  return { link: head.getUint32(4, true), address: address.slice(), length: head.getUint8(1) }
}

/** Adds the address, or does nothing when the link has it. @throws NetlinkError. */
export function addAddress(client: NetlinkClient, link: number, prefix: Prefix): void {
  const flags = flag.create | flag.replace
  client.change(`add address ${formatPrefix(prefix)}`, message.new, addressBody(link, prefix), flags)
}

/** @throws NetlinkError EADDRNOTAVAIL. */
export function deleteAddress(client: NetlinkClient, link: number, prefix: Prefix): void {
  client.change(`delete address ${formatPrefix(prefix)}`, message.delete, addressBody(link, prefix))
}

/** u8 family, u8 length of the prefix, u8 flags, u8 scope, u32 index of the link. */
function addressBody(link: number, { address, length }: Prefix): Uint8Array {
  const of = familyOf(address)
  const isLinkLocal = of === family.ipv6 && address[0] === 0xfe && (address[1]! & 0xc0) === 0x80
  const head = structure(infoBytes, (to) => {
    to.setUint8(0, of)
    to.setUint8(1, length)
    to.setUint8(3, isLinkLocal ? scopeLink : 0)
    to.setUint32(4, link, true)
  })
  return concat([
    head,
    attribute(attributeOf.local, address),
    attribute(attributeOf.address, address),
    ...(of === family.ipv4 && length < 31
      ? [attribute(attributeOf.broadcast, broadcast(address, length))]
      : []),
    ...(of === family.ipv6 ? [attribute(attributeOf.flags, uint32(noDuplicateDetection))] : []),
  ])
}

/** The last address of the network; the kernel does not work it out by itself. */
function broadcast(address: Uint8Array, length: number): Uint8Array {
  return address.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, length - 8 * index))))
}
