/** The containers that have a place on a network, in whatever state they are: one that is stopped keeps its address. */
import { type NetworkWishes, readNetworkWishes } from '../../../bundle/network.ts'
import { ipv6Beside } from '../../../network/uplink/addresses.ts'
import { listRecords, recordPaths } from '../record.ts'
import type { NetworkStore } from './store.ts'

export interface NetworkUse {
  readonly container: string
  readonly address: string
  /** On a host with IPv6. */
  readonly ipv6: string
  readonly mac: string
  readonly names: readonly string[]
}

/** By the name of the network. A container whose network cannot be read has none. */
export function networkUses({
  stateDir,
  namespace,
}: NetworkStore): ReadonlyMap<string, readonly NetworkUse[]> {
  const uses = new Map<string, NetworkUse[]>()
  for (const container of listRecords(stateDir, namespace)) {
    const wishes = wishesOf(recordPaths(stateDir, namespace, container).bundle)
    if (wishes?.place === undefined) continue
    const { network, address, names } = wishes.place
    const use = { container, address, ipv6: ipv6Beside(address), mac: wishes.mac ?? '', names }
    uses.set(network, [...(uses.get(network) ?? []), use])
  }
  return uses
}

/** Undefined for a container without a network of ours. */
function wishesOf(bundle: string): NetworkWishes | undefined {
  try {
    return readNetworkWishes(bundle)
  } catch {
    return undefined
  }
}
