/** Routes of the main table (rtnetlink(7), struct rtmsg). */
import { concat, structure, uint32 } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { type Family, family, familyOf, formatIp, formatPrefix, type Prefix } from './ip.ts'
import { type Attributes, attribute, flag, numberOf, parseAttributes, splitBody } from './message.ts'

const message = { new: 24, delete: 25, get: 26 } as const
const infoBytes = 12
const attributeOf = {
  ...{ destination: 1, link: 4, gateway: 5, priority: 6, preferredSource: 7, metrics: 8, multipath: 9 },
  ...{ table: 15, via: 18, encapType: 21 },
} as const
const metricMtu = 2
const mainTable = 254
/** It is asked before the main one, and has this machine's own addresses. */
export const localTable = 255
const unicast = 1
/** A copy of a route for one destination that the kernel made for itself. */
const cloned = 0x200

/** Who made a route: RTPROT_*. */
export const routeProtocol = { kernel: 2, boot: 3, static: 4, routerAdvertisement: 9 } as const
export const routeScope = { universe: 0, link: 253 } as const

export interface Route {
  /** Absent: the default route. */
  readonly destination?: Prefix
  readonly family: Family
  readonly gateway?: Uint8Array
  /** Index of the link. */
  readonly link: number
  /** Source address of packets that leave by it. */
  readonly source?: Uint8Array
  /** RT_SCOPE_*; IPv6 has none. */
  readonly scope: number
  /** RTPROT_*. */
  readonly protocol: number
  /** RTNH_F_*; 4 (onlink): the gateway is on the link, even if no address of the link covers it. */
  readonly flags: number
  /** Bytes; 0: the MTU of the link. */
  readonly mtu: number
  /** The route with the lower metric is used; 0: the family's default. */
  readonly metric: number
  /** Absent: the main one. */
  readonly table?: typeof localTable
}

/** RTNH_F_ONLINK: the only flag of a route that may be asked for; others are the kernel's own. */
const onLink = 4

/**
 * Unicast routes of the main table of both families. `unsupported` gets the routes over several links, through
 * encapsulation, or by a gateway of the other family, which are left out.
 */
export function listRoutes(client: NetlinkClient, unsupported: (route: string) => void = () => {}): Route[] {
  return client
    .dump(
      'list routes',
      message.get,
      structure(infoBytes, () => {}),
    )
    .map((body) => parseRoute(body, unsupported))
    .filter((route) => route !== undefined)
}

export function parseRoute(
  body: Uint8Array,
  unsupported: (route: string) => void = () => {},
): Route | undefined {
  const { head, attributes } = splitBody(body, infoBytes)
  const of = head.getUint8(0)
  const [table, flags] = [
    numberOf(attributes, attributeOf.table) || head.getUint8(4),
    head.getUint32(8, true),
  ]
  if (table !== mainTable || head.getUint8(7) !== unicast || (flags & cloned) !== 0) return
  if (of !== family.ipv4 && of !== family.ipv6) return
  const { gateway, preferredSource, destination } = attributeOf
  const to = attributes.get(destination)?.slice()
  const prefix = to && { address: to, length: head.getUint8(1) }
  if ([attributeOf.multipath, attributeOf.via, attributeOf.encapType].some((type) => attributes.has(type))) {
    unsupported(prefix === undefined ? 'default' : formatPrefix(prefix))
    return
  }
  return {
    family: of,
    ...(prefix && { destination: prefix }),
    ...optional('gateway', attributes, gateway),
    ...optional('source', attributes, preferredSource),
    link: numberOf(attributes, attributeOf.link),
    scope: head.getUint8(6),
    protocol: head.getUint8(5),
    flags: flags & onLink,
    mtu: numberOf(parseAttributes(attributes.get(attributeOf.metrics) ?? new Uint8Array(0)), metricMtu),
    metric: numberOf(attributes, attributeOf.priority),
  }
}

function optional<Name extends string>(name: Name, attributes: Attributes, type: number) {
  const value = attributes.get(type)?.slice()
  return (value && { [name]: value }) as Record<Name, Uint8Array> | undefined
}

/** Adds the route, and replaces a route that it conflicts with. @throws NetlinkError ENETUNREACH (unknown gateway), EINVAL. */
export function addRoute(client: NetlinkClient, route: Route): void {
  client.change(`add ${describeRoute(route)}`, message.new, routeBody(route), flag.create | flag.replace)
}

/** @throws NetlinkError ESRCH. */
export function deleteRoute(client: NetlinkClient, route: Route): void {
  client.change(`delete ${describeRoute(route)}`, message.delete, routeBody(route))
}

export function describeRoute({ destination, gateway, link }: Route): string {
  const to = destination === undefined ? 'default' : formatPrefix(destination)
  return `route ${to}${gateway === undefined ? '' : ` via ${formatIp(gateway)}`} on link ${link}`
}

/** u8 family, u8 length of the destination, u8 of the source, u8 tos, u8 table, u8 protocol, u8 scope, u8 type, u32 flags. */
function routeBody(route: Route): Uint8Array {
  const { destination, gateway, source, metric, mtu } = route
  const head = structure(infoBytes, (to) => {
    to.setUint8(0, destination ? familyOf(destination.address) : route.family)
    to.setUint8(1, destination?.length ?? 0)
    to.setUint8(4, route.table ?? mainTable)
    to.setUint8(5, route.protocol)
    to.setUint8(6, route.scope)
    to.setUint8(7, unicast)
    to.setUint32(8, route.flags & onLink, true)
  })
  return concat([
    head,
    ...(destination ? [attribute(attributeOf.destination, destination.address)] : []),
    ...(gateway ? [attribute(attributeOf.gateway, gateway)] : []),
    ...(source ? [attribute(attributeOf.preferredSource, source)] : []),
    ...(metric ? [attribute(attributeOf.priority, uint32(metric))] : []),
    ...(mtu ? [attribute(attributeOf.metrics, attribute(metricMtu, uint32(mtu)))] : []),
    attribute(attributeOf.link, uint32(route.link)),
  ])
}
