/** Gives a container its place on a network. */
import type { NetworkPlace, NetworkWishes } from '../../../bundle/network.ts'
import { KataError } from '../../../errors.ts'
import { makeUnderDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { hasIpv6 } from '../../../linux/interfaces/ipv6.ts'
import { ipv6Beside } from '../../../network/uplink/addresses.ts'
import { parseSubnet } from '../../parse/subnet.ts'
import { freeAddress, gatewayOf, isForContainers, macOf } from './addresses.ts'
import { forgetNetwork, type NamedNetwork, type NetworkStore, networkDir, readNetwork } from './store.ts'
import { networkUses } from './uses.ts'

/** How long others may take for what they do with a network, milliseconds. */
const patienceMs = 30_000

/** What was asked of a place. */
export interface PlaceWish {
  readonly network: string
  readonly names: readonly string[]
  readonly address?: string | undefined
  readonly mac?: string | undefined
  /** The name server for what is outside; absent: the host's. */
  readonly upstream?: string | undefined
}

export interface Placed {
  readonly place: NetworkPlace
  readonly mac: string
  /** What the network closes. The network may have been replaced by another one of that name. */
  readonly limits: Pick<NetworkWishes, 'allowed'>
}

/**
 * Finds a place and calls `note`, which writes it into the container's record; no other command looks for one meanwhile.
 *
 * @throws KataError NETWORK_NOT_FOUND, NETWORK_ADDRESS_INVALID, NETWORK_ADDRESS_TAKEN, NETWORK_FULL, NETWORK_BUSY; the reason of `signal`,
 * which ends the wait; what `note` throws.
 */
export function takePlace<T>(
  store: NetworkStore,
  wish: PlaceWish,
  note: (placed: Placed) => T,
  signal?: AbortSignal,
): Promise<T> {
  return withNetwork(store, wish.network, (network) => note(choosePlace(store, network, wish)), signal)
}

/** The container's addresses there, of each family that the host has. */
export const addressesOn = ({ address }: NetworkPlace): string[] => [
  address,
  ...(hasIpv6() ? [ipv6Beside(address)] : []),
]

/** Removes a network that no container has. @throws KataError NETWORK_IN_USE and as {@link takePlace}. */
export function removeNetwork(store: NetworkStore, name: string): Promise<void> {
  return withNetwork(store, name, () => {
    const users = networkUses(store).get(name)
    if (users !== undefined)
      throw new KataError('NETWORK_IN_USE', {
        name,
        containers: users.map(({ container }) => container).join(', '),
      })
    forgetNetwork(store, name)
  })
}

async function withNetwork<T>(
  store: NetworkStore,
  name: string,
  work: (network: NamedNetwork) => T,
  signal?: AbortSignal,
): Promise<T> {
  const look = async () => work(readNetwork(store, name))
  const made = await makeUnderDirectoryLock(networkDir(store, name), patienceMs, look, signal)
  if (made === 'gone') throw new KataError('NETWORK_NOT_FOUND', { name, namespace: store.namespace })
  if (made === 'busy') throw new KataError('NETWORK_BUSY', { name })
  return made.value
}

function choosePlace(store: NetworkStore, network: NamedNetwork, wish: PlaceWish): Placed {
  const { name } = network
  const subnet = parseSubnet(network.subnet)
  const users = networkUses(store).get(name) ?? []
  const taken = new Map(
    users.flatMap(({ container, address, mac }) => [
      [address, container],
      [mac, container],
    ]),
  )
  if (wish.address !== undefined && !isForContainers(subnet, wish.address))
    throw new KataError('NETWORK_ADDRESS_INVALID', { address: wish.address, name, subnet: subnet.text })
  // Somebody may have asked for the hardware address that belongs to an address.
  const needs = (address: string) => [address, ...(wish.mac === undefined ? [macOf(address)] : [])]
  const address = wish.address ?? freeAddress(subnet, new Set(taken.keys()), needs)
  if (address === undefined) throw new KataError('NETWORK_FULL', { name, subnet: subnet.text })
  const mac = wish.mac ?? macOf(address)
  for (const wanted of [address, mac])
    if (taken.has(wanted))
      throw new KataError('NETWORK_ADDRESS_TAKEN', { address: wanted, name, container: taken.get(wanted)! })
  const { names, upstream } = wish
  const place = { network: name, address, bits: subnet.bits, gateway: gatewayOf(subnet), names }
  const limits = network.internal ? { allowed: [] } : {}
  return { mac, limits, place: { ...place, ...(upstream === undefined ? {} : { upstream }) } }
}
