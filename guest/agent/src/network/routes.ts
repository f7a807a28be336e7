/** The guest's routes and neighbours, as the host tells them. */
import type { NetlinkClient } from '../../../../src/netlink/client.ts'
import { listLinks } from '../../../../src/netlink/link.ts'
import { addNeighbour } from '../../../../src/netlink/neighbour.ts'
import { routeProtocol } from '../../../../src/netlink/route.ts'
import { cardRoutes, setRoutes } from '../../../../src/netlink/route-table.ts'
import type { Routes } from '../../../../src/protocol/generated/agent.ts'
import type { ARPNeighbor, Route as RouteMessage } from '../../../../src/protocol/generated/types.ts'
import { invalid } from '../errors.ts'
import { type FindLink, fromRoute, toNeighbour, toRoute } from './convert.ts'
import { withNetlink } from './netlink.ts'

/**
 * The main table has these routes from now on. What the kernel made for the addresses stays, unless the host says which
 * of those there are; what a router announced is not touched.
 *
 * @throws TtrpcError INVALID_ARGUMENT. @throws NetlinkError ENETUNREACH (an unreachable gateway) and others.
 */
export function updateRoutes({ routes, kernel }: Routes): RouteMessage[] {
  return withNetlink((client) => {
    const find = linkFinder(client)
    setRoutes(client, {
      asked: routes.map((route) => toRoute(route, find)),
      made: kernel?.routes.map((route) => toRoute(route, find, routeProtocol.kernel)),
    })
    return describeAll(client)
  })
}

export const listRoutes = (): RouteMessage[] => withNetlink(describeAll)

/** @throws TtrpcError INVALID_ARGUMENT. @throws NetlinkError. */
export function addNeighbours(neighbours: readonly ARPNeighbor[]): void {
  withNetlink((client) => {
    const find = linkFinder(client)
    for (const neighbour of neighbours) addNeighbour(client, toNeighbour(neighbour, find))
  })
}

function describeAll(client: NetlinkClient): RouteMessage[] {
  const names = new Map(listLinks(client).map(({ index, name }) => [index, name]))
  return cardRoutes(client).map((route) => fromRoute(route, names.get(route.link) ?? ''))
}

function linkFinder(client: NetlinkClient): FindLink {
  const links = listLinks(client)
  return (name) => {
    const link = links.find((link) => link.name === name)
    if (link === undefined) throw invalid(`no network interface ${name}`)
    return link.index
  }
}
