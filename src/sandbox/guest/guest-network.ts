/** Tells the guest its network, in Kata's order: interfaces, routes, neighbours. */
import type { AgentClient } from '../../agent/client.ts'
import { family, familyOf, formatIp, formatMac, formatPrefix, parseIp, parseMac } from '../../netlink/ip.ts'
import { linkFlag } from '../../netlink/link.ts'
import { type Neighbour, neighbourState } from '../../netlink/neighbour.ts'
import { type Route, routeProtocol, routeScope } from '../../netlink/route.ts'
import type { Localhost, NetworkFacts, PodInterface } from '../../network/facts.ts'
import {
  type ARPNeighbor,
  type Interface,
  type IPAddress,
  IPFamily,
  type Route as RouteMessage,
} from '../../protocol/generated/types.ts'

export interface ToldNetwork {
  /** Those that the guest does not know yet; default all. */
  readonly fresh?: readonly PodInterface[]
  /** In a guest that was saved: hardware addresses that the cards of these had then. */
  readonly former?: readonly string[]
}

/** @throws TtrpcError with the guest's reason. */
export async function tellNetwork(
  agent: AgentClient,
  facts: NetworkFacts,
  { fresh = facts.interfaces, former = [] }: ToldNetwork = {},
): Promise<void> {
  if (fresh.length === 0) return
  const { localhost } = facts
  for (const [at, found] of fresh.entries()) {
    const message = interfaceMessage(found, localhost?.index === found.index)
    await agent.updateInterface({ interface: { ...message, formerHwAddr: former[at] ?? '' } })
  }
  const kernel = facts.routes.filter(isKernels)
  const others = [
    ...facts.routes.filter((route) => !isKernels(route)),
    ...(localhost ? [peerRoute(localhost)] : []),
    ...(localhost ? nameServerRoutes(localhost) : []),
  ]
  const messages = (routes: readonly Route[]) =>
    routes.map((route) => routeMessage(route, nameOf(facts, route)))
  await agent.updateRoutes({ routes: { routes: messages(others), kernel: { routes: messages(kernel) } } })
  const entries = [...facts.neighbours, ...(localhost ? [peerNeighbour(localhost)] : [])]
  const neighbours = entries.map(({ address, link, mac, state, flags }): ARPNeighbor => {
    const toIpAddress = ipMessage(address, '')
    return { toIpAddress, device: nameOf(facts, { link }), lladdr: formatMac(mac), state, flags }
  })
  if (neighbours.length > 0) await agent.addARPNeighbors({ neighbors: { arpNeighbors: neighbours } })
}

/** The route back to the stack of the pod's namespace, which connects to the machine's localhost. */
const peerRoute = ({ index, peer }: Localhost): Route => ({
  destination: peer,
  family: family.ipv4,
  link: index,
  scope: routeScope.link,
  protocol: routeProtocol.static,
  flags: 0,
  mtu: 0,
  metric: 0,
})

/** From localhost, as the stack has no other address of the guest's. */
const nameServerRoutes = ({ index, peer, nameServer }: Localhost): Route[] =>
  nameServer === undefined
    ? []
    : [
        {
          destination: nameServer,
          family: family.ipv4,
          link: index,
          scope: routeScope.universe,
          gateway: peer.address,
          source: parseIp('127.0.0.1')!,
          protocol: routeProtocol.static,
          flags: 0,
          mtu: 0,
          metric: 0,
        },
      ]

const peerNeighbour = ({ index, mac, peer }: Localhost): Neighbour => ({
  address: peer.address,
  mac: parseMac(mac)!,
  link: index,
  state: neighbourState.permanent,
  flags: 0,
})

const isKernels = ({ protocol }: Route): boolean => protocol === routeProtocol.kernel

const nameOf = ({ interfaces }: NetworkFacts, { link }: { link: number }): string =>
  interfaces.find(({ index }) => index === link)!.name

function interfaceMessage(
  { name, mac, mtu, noArp, kind, addresses }: PodInterface,
  localhost: boolean,
): Interface {
  return {
    device: name,
    name,
    hwAddr: mac,
    mtu: BigInt(mtu),
    devicePath: '',
    type: kind,
    ipAddresses: addresses.map(({ address, length }) => ipMessage(address, String(length))),
    rawFlags: noArp ? linkFlag.noArp : 0,
    localhost,
    formerHwAddr: '',
  }
}

function ipMessage(address: Uint8Array, mask: string): IPAddress {
  return { family: familyMessage(familyOf(address)), address: formatIp(address), mask }
}

const familyMessage = (of: number): IPFamily => (of === family.ipv4 ? IPFamily.IP_V4 : IPFamily.IP_V6)

function routeMessage(route: Route, device: string): RouteMessage {
  const { destination, gateway, source, scope, flags, mtu, metric } = route
  return {
    dest: destination === undefined ? '' : formatPrefix(destination),
    gateway: gateway === undefined ? '' : formatIp(gateway),
    source: source === undefined ? '' : formatIp(source),
    family: familyMessage(route.family),
    device,
    scope,
    flags,
    mtu,
    metric,
  }
}
