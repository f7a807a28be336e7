/** The main table as a whole: what is wanted of it, and the changes that make it so. */
import type { NetlinkClient } from './client.ts'
import { tolerate } from './error.ts'
import { family, formatIp, formatPrefix } from './ip.ts'
import { linkFlag, listLinks } from './link.ts'
import { addRoute, deleteRoute, listRoutes, type Route, routeProtocol } from './route.ts'

export interface WantedRoutes {
  readonly asked: readonly Route[]
  /** The routes that stay of those that the kernel makes for addresses; absent: all. */
  readonly made?: readonly Route[] | undefined
}

/** All but those of loopback. */
export function cardRoutes(client: NetlinkClient): Route[] {
  const loopback = listLinks(client).filter(({ flags }) => (flags & linkFlag.loopback) !== 0)
  return listRoutes(client).filter(({ link }) => !loopback.some(({ index }) => index === link))
}

/**
 * The main table has these routes from now on. One that is there as it is wanted is not touched; what a router announced stays. Of several
 * to one destination with one metric all are there, in their order.
 *
 * @throws NetlinkError ENETUNREACH (an unreachable gateway) and others.
 */
export function setRoutes(client: NetlinkClient, { asked, made }: WantedRoutes): void {
  const wanted = new Set([...asked, ...(made ?? [])].map(keyOf))
  const goes = (route: Route) => {
    if (wanted.has(keyOf(route)) || route.protocol === routeProtocol.routerAdvertisement) return false
    return route.protocol !== routeProtocol.kernel || made !== undefined
  }
  const present = cardRoutes(client)
  for (const route of present.filter(goes)) tolerate(['ESRCH'], () => deleteRoute(client, route))
  const there = new Set(present.filter((route) => !goes(route)).map(keyOf))
  const places = new Set(present.filter((route) => wanted.has(keyOf(route))).map(placeOf))
  const add = (route: Route) => {
    if (there.has(keyOf(route))) return
    tolerate(['EEXIST'], () => addRoute(client, route, places.has(placeOf(route)) ? 'beside' : 'instead'))
    there.add(keyOf(route))
    places.add(placeOf(route))
  }
  for (const route of made ?? []) add(route)
  // A gateway must be reachable by a route that is there already.
  for (const route of asked.filter(({ gateway }) => gateway === undefined)) add(route)
  for (const route of asked.filter(({ gateway }) => gateway !== undefined)) add(route)
}

/** What the kernel takes for a metric that was not named. */
const usualMetric = { [family.ipv4]: 0, [family.ipv6]: 1024 } as const

/** Where a route stands in its table. The kernel replaces the one of the same place, unless it is told not to. */
const placeOf = ({ family: of, destination, metric, table }: Route): string =>
  [of, destination && formatPrefix(destination), metric || usualMetric[of], table].join(' ')

/** All of a route but who made it. IPv6 has no scopes. */
const keyOf = (route: Route): string => {
  const { family: of, gateway, link, source, scope, flags, mtu } = route
  const own = [gateway && formatIp(gateway), link, source && formatIp(source), flags, mtu]
  return [placeOf(route), ...own, of === family.ipv4 ? scope : 0].join(' ')
}
