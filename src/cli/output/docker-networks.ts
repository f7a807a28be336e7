/** The network of a container in docker's fields, for templates of `inspect`. */
import type { NetworkWishes } from '../../bundle/network.ts'
import { hasIpv6 } from '../../linux/interfaces/ipv6.ts'
import { containerLink, ipv6Beside } from '../../network/uplink/addresses.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { ownNetwork } from '../parse/network.ts'

export type DockerNetworks = Readonly<Record<string, ReturnType<typeof networkOf>>>

/** By name; none for a container without a network of ours. An address on its own network is seen by the container alone. */
export function dockerNetworks(wishes: Pick<NetworkWishes, 'place' | 'mac'> | undefined): DockerNetworks {
  // Without a prototype it is a map to templates, where a name may be missing.
  const networks: Record<string, ReturnType<typeof networkOf>> = Object.create(null)
  if (wishes !== undefined) networks[wishes.place?.network ?? ownNetwork] = networkOf(wishes)
  return networks
}

function networkOf({ place, mac = '' }: Pick<NetworkWishes, 'place' | 'mac'>) {
  const { container: address, gateway, bits } = containerLink
  const at = place ?? { address, gateway, bits, names: [] }
  return {
    IPAddress: at.address,
    IPPrefixLen: at.bits,
    Gateway: at.gateway,
    MacAddress: mac,
    GlobalIPv6Address: hasIpv6() ? ipv6Beside(at.address) : '',
    Aliases: at.names,
  }
}

/** As `--network` has it; empty where nothing says so. */
export function networkMode(networks: DockerNetworks, { linux }: Pick<OciSpec, 'linux'>): string {
  const [name] = Object.keys(networks)
  if (name !== undefined) return name
  const namespace = linux?.namespaces?.find(({ type }) => type === 'network')
  if (namespace === undefined) return ''
  return namespace.path === undefined ? 'none' : `ns:${namespace.path}`
}

/** What docker says of the network that a container is on when none is named, beside all networks. */
export function usualNetwork(networks: DockerNetworks) {
  const nowhere = { IPAddress: '', IPPrefixLen: 0, Gateway: '', MacAddress: '', GlobalIPv6Address: '' }
  const { Aliases: _, ...usual } = { Aliases: [], ...nowhere, ...networks[ownNetwork] }
  return usual
}
