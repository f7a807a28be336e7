/** Which hardware address a neighbour has (rtnetlink(7), struct ndmsg): ARP and IPv6 neighbour tables. */
import { concat, structure } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { familyOf, formatIp, formatMac } from './ip.ts'
import { attribute, flag, splitBody } from './message.ts'

const message = { new: 28, get: 30 } as const
const infoBytes = 12
const attributeOf = { destination: 1, mac: 2 } as const

/** NUD_*. */
export const neighbourState = { reachable: 0x02, permanent: 0x80 } as const

export interface Neighbour {
  readonly address: Uint8Array
  readonly mac: Uint8Array
  /** Index of the link. */
  readonly link: number
  /** NUD_*, see {@link neighbourState}. */
  readonly state: number
  /** NTF_*. */
  readonly flags: number
}

/** IP neighbours whose hardware address is known. */
export function listNeighbours(client: NetlinkClient): Neighbour[] {
  return client
    .dump(
      'list neighbours',
      message.get,
      structure(infoBytes, () => {}),
    )
    .map(parseNeighbour)
    .filter((neighbour) => neighbour !== undefined)
}

export function parseNeighbour(body: Uint8Array): Neighbour | undefined {
  const { head, attributes } = splitBody(body, infoBytes)
  const address = attributes.get(attributeOf.destination)?.slice()
  const mac = attributes.get(attributeOf.mac)?.slice()
  if (mac?.length !== 6 || (address?.length !== 4 && address?.length !== 16)) return
  const [link, state, flags] = [head.getInt32(4, true), head.getUint16(8, true), head.getUint8(10)]
  return { address, mac, link, state, flags }
}

/** Adds the entry or replaces the one of that address. @throws NetlinkError. */
export function addNeighbour(client: NetlinkClient, neighbour: Neighbour): void {
  const { address, mac, link, state, flags } = neighbour
  // u8 family, three bytes of padding, i32 index of the link, u16 state, u8 flags, u8 type.
  const head = structure(infoBytes, (to) => {
    to.setUint8(0, familyOf(address))
    to.setInt32(4, link, true)
    to.setUint16(8, state, true)
    to.setUint8(10, flags)
  })
  const body = concat([head, attribute(attributeOf.destination, address), attribute(attributeOf.mac, mac)])
  const what = `add neighbour ${formatIp(address)} at ${formatMac(mac)}`
  client.change(what, message.new, body, flag.create | flag.replace)
}
