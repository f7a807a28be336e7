/** The options of `run` that are about the network, taken together. */

import type { NetworkWishes } from '../../bundle/network.ts'
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import { ipVersion } from '../../netlink/ip.ts'
import { containerLink } from '../../network/uplink/addresses.ts'
import { gatewayOf } from '../client/networks/addresses.ts'
import type { PlaceWish } from '../client/networks/place.ts'
import { readNetwork } from '../client/networks/store.ts'
import type { RunFlags } from '../commands/run.ts'
import { parseAllow } from '../parse/allow.ts'
import { parseAlias, parseMac } from '../parse/hardware.ts'
import { ownNetwork, parseNetwork } from '../parse/network.ts'
import { type FreePort, parsePublish, splitWishes } from '../parse/publish.ts'
import { parseSubnet } from '../parse/subnet.ts'
import type { Settings } from '../settings.ts'

export interface RunNetwork {
  /** A namespace of the host's, which its owner fills. */
  readonly netns?: string
  /** A network that the shim makes. */
  readonly wishes?: NetworkWishes
  /** Its ports that get one of the host's with its record. */
  readonly freePorts?: readonly FreePort[]
  /** The container's place on a network that others are on; it gets its addresses with its record. */
  readonly place?: PlaceWish
  /** The name server of that network. */
  readonly nameServer?: string
  /** Nothing can be reached but the machine's localhost. */
  readonly isNone?: true
}

type Flags = Pick<
  RunFlags,
  'network' | 'publish' | 'publishAll' | 'allow' | 'denyAll' | 'networkAlias' | 'ip' | 'macAddress' | 'dns'
>

interface Container {
  readonly id: string
  readonly hostname: string
  /** The configuration of its sandbox. */
  readonly config: { readonly runtime: Pick<Config['runtime'], 'internetworkingModel'> }
}

/**
 * Without a word about it a container has a network, unless the configuration leaves guests without one. Who publishes a port, or says what
 * may be reached, wants a network all the same.
 *
 * @throws KataError OPTION_INVALID, OPTION_CONFLICT, NETNS_INVALID, NETWORK_NOT_FOUND, NETWORK_UNREADABLE.
 */
export function networkOf(
  store: Pick<Settings, 'stateDir' | 'namespace'>,
  flags: Flags,
  { id, hostname, config }: Container,
): RunNetwork {
  const { network, denyAll, ip, macAddress, dns = [] } = flags
  const { fixed: ports, free } = splitWishes(parsePublish(flags.publish ?? []))
  const allowed = (flags.allow ?? []).map(parseAllow)
  const aliases = (flags.networkAlias ?? []).map(parseAlias)
  const mac = macAddress === undefined ? {} : { mac: parseMac(macAddress) }
  const asked = [
    ...(ports.length + free.length > 0 ? ['--publish'] : []),
    ...(flags.publishAll === true ? ['--publish-all'] : []),
    ...(allowed.length > 0 ? ['--allow'] : []),
    ...(denyAll === true ? ['--deny-all'] : []),
  ]
  const ofOurs = [...asked, ...(macAddress === undefined ? [] : ['--mac-address'])]
  const ofShared = [...(aliases.length > 0 ? ['--network-alias'] : []), ...(ip === undefined ? [] : ['--ip'])]
  const hasNone = config.runtime.internetworkingModel === 'none' && ofOurs.length === 0
  const name = network ?? (hasNone ? 'none' : ownNetwork)
  const choice = parseNetwork(name)
  const shown = `--network ${name}`
  if (choice.kind !== 'named')
    refuse(
      ofShared,
      shown,
      'addresses and names are those of a network that containers share',
      '--network NAME',
    )
  const freePorts = free.length > 0 ? { freePorts: free } : {}
  const limits = denyAll === true || allowed.length > 0 ? { allowed } : {}
  if (choice.kind === 'own' && allowed.length > 0 && dns.length > 0)
    refuse(
      ['--dns'],
      '--allow',
      'the container asks the name server that opens what is allowed, and reaches no other',
      '--network NAME besides, whose name server asks the one of --dns; or none of them',
    )
  if (choice.kind === 'own')
    return { wishes: { ports, ...limits, ...mac }, ...freePorts, nameServer: containerLink.gateway }
  if (choice.kind !== 'named') {
    refuse(ofOurs, shown, 'they are for a network that kata-ts makes', '--network bridge')
    return choice.kind === 'namespace' ? { netns: choice.path } : { isNone: true }
  }
  const { subnet, internal } = readNetwork(store, name)
  if (internal)
    refuse(asked, shown, 'that network is internal, and leads nowhere', 'a network without --internal')
  const upstream = dns.find((server) => ipVersion(server) === 4)
  if (upstream === undefined && dns.length > 0)
    refuse(
      ['--dns'],
      shown,
      'the name server of that network asks others by IPv4 only',
      'the IPv4 address of a name server',
    )
  const names = [...new Set([id, hostname, ...aliases].map((each) => each.toLowerCase()))]
  return {
    wishes: { ports, ...(internal ? { allowed: [] } : limits) },
    ...freePorts,
    place: {
      network: name,
      names,
      address: ip,
      ...mac,
      upstream,
    },
    nameServer: gatewayOf(parseSubnet(subnet)),
  }
}

function refuse(options: readonly string[], with_: string, reason: string, instead: string): void {
  if (options.length === 0) return
  throw new KataError('OPTION_CONFLICT', {
    ...{ options: `${options.join(', ')} and ${with_}`, reason, remedy: `Use ${instead}.` },
  })
}
