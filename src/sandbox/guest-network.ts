/** Tells the guest its network, in Kata's order: interfaces, routes, neighbours. */
import type { AgentClient } from '../agent/client.ts'
import { family, familyOf, formatIp, formatMac, formatPrefix } from '../netlink/ip.ts'
import { linkFlag } from '../netlink/link.ts'
import { type Route, routeProtocol } from '../netlink/route.ts'
import type { NetworkFacts, PodInterface } from '../network/facts.ts'
import {
  type ARPNeighbor,
  type Interface,
  type IPAddress,
  IPFamily,
  type Route as RouteMessage,
} from '../protocol/generated/types.ts'

/** `interfaces` are those that the guest does not know yet. @throws TtrpcError with the guest's reason. */
export async function tellNetwork(
  agent: AgentClient,
  facts: NetworkFacts,
  interfaces: readonly PodInterface[] = facts.interfaces,
): Promise<void> {
  if (interfaces.length === 0) return
  for (const found of interfaces) await agent.updateInterface({ interface: interfaceMessage(found) })
  const [kernel, others] = [facts.routes.filter(isKernels), facts.routes.filter((route) => !isKernels(route))]
  const messages = (routes: readonly Route[]) =>
    routes.map((route) => routeMessage(route, nameOf(facts, route)))
  await agent.updateRoutes({ routes: { routes: messages(others), kernel: { routes: messages(kernel) } } })
  const neighbours = facts.neighbours.map(({ address, link, mac, state, flags }): ARPNeighbor => {
    const toIpAddress = ipMessage(address, '')
    return { toIpAddress, device: nameOf(facts, { link }), lladdr: formatMac(mac), state, flags }
  })
  if (neighbours.length > 0) await agent.addARPNeighbors({ neighbors: { arpNeighbors: neighbours } })
}

const isKernels = ({ protocol }: Route): boolean => protocol === routeProtocol.kernel

const nameOf = ({ interfaces }: NetworkFacts, { link }: { link: number }): string =>
  interfaces.find(({ index }) => index === link)!.name

function interfaceMessage({ name, mac, mtu, noArp, kind, addresses }: PodInterface): Interface {
  return {
    ...{ device: name, name, hwAddr: mac, mtu: BigInt(mtu), devicePath: '', type: kind },
    ipAddresses: addresses.map(({ address, length }) => ipMessage(address, String(length))),
    rawFlags: noArp ? linkFlag.noArp : 0,
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
    ...{ device, scope, flags, mtu, metric },
  }
}
