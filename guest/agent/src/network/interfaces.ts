/** The guest's network interfaces, as the host tells them. */
import { type Address, addAddress, deleteAddress, listAddresses } from '../../../../src/netlink/address.ts'
import type { NetlinkClient } from '../../../../src/netlink/client.ts'
import { tolerate } from '../../../../src/netlink/error.ts'
import { formatMac, formatPrefix, parseMac } from '../../../../src/netlink/ip.ts'
import {
  acceptLocalhost,
  changeLink,
  type Link,
  linkFlag,
  listLinks,
  stopOwnIpv6,
} from '../../../../src/netlink/link.ts'
import type { Interface } from '../../../../src/protocol/generated/types.ts'
import { loadModuleNamed } from '../devices/modules.ts'
import { invalid, notFound } from '../errors.ts'
import { sleep } from '../system/wait.ts'
import { fromPrefix, toPrefix } from './convert.ts'
import { withNetlink } from './netlink.ts'

/** How long a card that was plugged in may take to appear. */
const appearMilliseconds = 3000
const pollMilliseconds = 5

/**
 * Gives the card with this hardware address, or that had the former one, the name, MTU and addresses asked for, and those only, and brings it up.
 *
 * @throws TtrpcError NOT_FOUND, INVALID_ARGUMENT. @throws NetlinkError.
 */
export async function updateInterface(wanted: Interface): Promise<Interface> {
  const { hwAddr, formerHwAddr } = wanted
  const mac = requireMac(hwAddr)
  const addresses = wanted.ipAddresses.map(toPrefix)
  const link = await appearance(formerHwAddr === '' ? hwAddr : formerHwAddr)
  const name = wanted.name || link.name
  return withNetlink((client) => {
    if (name !== link.name) rename(client, link, name)
    if (formerHwAddr !== '') changeLink(client, link.index, { mac })
    if (wanted.mtu > 0n) changeLink(client, link.index, { mtu: Number(wanted.mtu) })
    // It has the addresses that the host's end has, a link-local one among them if there is one.
    tolerate(['EAFNOSUPPORT'], () => stopOwnIpv6(client, link.index))
    changeLink(client, link.index, { up: true, noArp: (wanted.rawFlags & linkFlag.noArp) !== 0 })
    if (wanted.localhost) acceptLocalhost(client, link.index)
    const texts = new Set(addresses.map(formatPrefix))
    for (const address of addressesOf(client, link.index))
      if (!texts.has(formatPrefix(address))) deleteAddress(client, link.index, address)
    for (const address of addresses) addAddress(client, link.index, address)
    return describe(client, listLinks(client).find(({ index }) => index === link.index)!)
  })
}

function requireMac(text: string): Uint8Array {
  const mac = parseMac(text)
  if (mac === undefined) throw invalid(`${text} is no hardware address`)
  return mac
}

/** Every interface but loopback. */
export function listInterfaces(): Interface[] {
  return withNetlink((client) =>
    listLinks(client)
      .filter(({ flags }) => (flags & linkFlag.loopback) === 0)
      .map((link) => describe(client, link)),
  )
}

/** The driver is loaded for the first card: a guest without a network does without it. */
async function appearance(text: string): Promise<Link> {
  const mac = formatMac(requireMac(text))
  for (let waited = 0; ; waited += pollMilliseconds) {
    const found = withNetlink(listLinks).find((link) => link.mac === mac)
    if (found !== undefined) return found
    if (waited === 0) loadModuleNamed('virtio_net')
    else if (waited > appearMilliseconds)
      throw notFound(`no network card with the address ${mac} appeared within ${appearMilliseconds / 1000} s`)
    if (waited > 0) await sleep(pollMilliseconds)
  }
}

/** The kernel's own names (eth0, eth1) are in the order of the cards, which need not be the pod's. */
function rename(client: NetlinkClient, link: Link, name: string): void {
  const holder = listLinks(client).find((other) => other.name === name)
  if (holder !== undefined) {
    changeLink(client, holder.index, { up: false })
    changeLink(client, holder.index, { name: `kata${holder.index}` })
  }
  if ((link.flags & linkFlag.up) !== 0) changeLink(client, link.index, { up: false })
  changeLink(client, link.index, { name })
}

const addressesOf = (client: NetlinkClient, index: number): Address[] =>
  listAddresses(client).filter(({ link }) => link === index)

function describe(client: NetlinkClient, { index, name, mac, mtu, flags, kind }: Link): Interface {
  return {
    device: name,
    name,
    ipAddresses: addressesOf(client, index).map(fromPrefix),
    mtu: BigInt(mtu),
    hwAddr: mac,
    devicePath: '',
    type: kind,
    rawFlags: flags,
    localhost: false,
    formerHwAddr: '',
  }
}
