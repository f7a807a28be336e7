/** The options of `run` that are about the network, taken together. */

import type { NetworkWishes } from '../../bundle/network.ts'
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import { ipVersion } from '../../netlink/ip.ts'
import { containerLink } from '../../network/uplink/addresses.ts'
import { isMemberNamespace } from '../../sandbox/records/member-namespace.ts'
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
 * The network of a container. By default it has one, unless the configuration leaves guests without; an option that publishes a port, or
 * limits what may be reached, asks for one all the same.
 *
 * @throws KataError OPTION_INVALID, OPTION_CONFLICT, NETNS_INVALID, NETWORK_NOT_FOUND, NETWORK_UNREADABLE, SERVICE_REFUSED.
 */
export function networkOf(
  store: Pick<Settings, 'stateDir' | 'namespace'>,
  flags: Flags,
  container: Container,
): RunNetwork {
  const options = optionsOf(flags)
  const { internetworkingModel } = container.config.runtime
  const hasNone = internetworkingModel === 'none' && options.ofOurs.length === 0
  const name = flags.network ?? (hasNone ? 'none' : ownNetwork)
  const choice = parseNetwork(name)
  // The operator's word is above that of a member of the service.
  if (internetworkingModel === 'none' && choice.kind !== 'none' && isMemberNamespace(store.namespace))
    throw new KataError('SERVICE_REFUSED', {
      what: 'a network in spite of internetworking_model = "none"',
    })
  const shown = `--network ${name}`
  if (choice.kind === 'named') return sharedNetwork(store, options, { name, shown, container })
  refuse(
    options.ofShared,
    shown,
    'addresses and names are those of a network that containers share',
    '--network NAME',
  )
  if (choice.kind === 'own') return ownNetworkOf(options)
  refuse(options.ofOurs, shown, 'they are for a network that kata-ts makes', '--network bridge')
  return choice.kind === 'namespace' ? { netns: choice.path } : { isNone: true }
}

/** The options about networks, parsed, and the names of those that were given. */
interface NetworkOptions {
  readonly ports: NetworkWishes['ports']
  readonly freePorts: Pick<RunNetwork, 'freePorts'>
  readonly allowed: NonNullable<NetworkWishes['allowed']>
  readonly limits: Pick<NetworkWishes, 'allowed'>
  readonly aliases: readonly string[]
  readonly ip: string | undefined
  readonly mac: Pick<NetworkWishes, 'mac'>
  readonly dns: readonly string[]
  /** About ports and what may be reached. */
  readonly ofWays: readonly string[]
  /** For any network that kata-ts makes. */
  readonly ofOurs: readonly string[]
  /** For a network that containers share. */
  readonly ofShared: readonly string[]
}

/** @throws KataError OPTION_INVALID, OPTION_CONFLICT. */
function optionsOf(flags: Flags): NetworkOptions {
  const { denyAll, ip, macAddress, dns = [] } = flags
  const { fixed: ports, free } = splitWishes(parsePublish(flags.publish ?? []))
  const allowed = (flags.allow ?? []).map(parseAllow)
  const aliases = (flags.networkAlias ?? []).map(parseAlias)
  const mac = macAddress === undefined ? {} : { mac: parseMac(macAddress) }
  const ofWays = [
    ...(ports.length + free.length > 0 ? ['--publish'] : []),
    ...(flags.publishAll === true ? ['--publish-all'] : []),
    ...(allowed.length > 0 ? ['--allow'] : []),
    ...(denyAll === true ? ['--deny-all'] : []),
  ]
  return {
    ports,
    allowed,
    aliases,
    ip,
    mac,
    dns,
    ofWays,
    freePorts: free.length > 0 ? { freePorts: free } : {},
    limits: denyAll === true || allowed.length > 0 ? { allowed } : {},
    ofOurs: [...ofWays, ...(macAddress === undefined ? [] : ['--mac-address'])],
    ofShared: [...(aliases.length > 0 ? ['--network-alias'] : []), ...(ip === undefined ? [] : ['--ip'])],
  }
}

/** A network of the container alone. @throws KataError OPTION_CONFLICT. */
function ownNetworkOf({ ports, freePorts, allowed, limits, mac, dns }: NetworkOptions): RunNetwork {
  if (allowed.length > 0 && dns.length > 0)
    refuse(
      ['--dns'],
      '--allow',
      'the container asks the name server that opens what is allowed, and reaches no other',
      '--network NAME besides, whose name server asks the one of --dns; or none of them',
    )
  return { wishes: { ports, ...limits, ...mac }, ...freePorts, nameServer: containerLink.gateway }
}

interface SharedNetwork {
  readonly name: string
  /** The option as it was given. */
  readonly shown: string
  readonly container: Pick<Container, 'id' | 'hostname'>
}

/** A place on a network that containers share. @throws KataError OPTION_CONFLICT, NETWORK_NOT_FOUND, NETWORK_UNREADABLE. */
function sharedNetwork(
  store: Pick<Settings, 'stateDir' | 'namespace'>,
  { ports, freePorts, limits, aliases, ip, mac, dns, ofWays }: NetworkOptions,
  { name, shown, container }: SharedNetwork,
): RunNetwork {
  const { subnet, internal } = readNetwork(store, name)
  if (internal)
    refuse(ofWays, shown, 'that network is internal, and leads nowhere', 'a network without --internal')
  const upstream = dns.find((server) => ipVersion(server) === 4)
  if (upstream === undefined && dns.length > 0)
    refuse(
      ['--dns'],
      shown,
      'the name server of that network asks others by IPv4 only',
      'the IPv4 address of a name server',
    )
  const names = [container.id, container.hostname, ...aliases].map((each) => each.toLowerCase())
  return {
    wishes: { ports, ...(internal ? { allowed: [] } : limits) },
    ...freePorts,
    place: { network: name, names: [...new Set(names)], address: ip, ...mac, upstream },
    nameServer: gatewayOf(parseSubnet(subnet)),
  }
}

function refuse(options: readonly string[], with_: string, reason: string, instead: string): void {
  if (options.length === 0) return
  throw new KataError('OPTION_CONFLICT', {
    options: `${options.join(', ')} and ${with_}`,
    reason,
    remedy: `Use ${instead}.`,
  })
}
