/** Routes of the main table (rtnetlink(7), struct rtmsg). */
import { concat, structure, uint32, view } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { NetlinkFormatError } from './error.ts'
import { type Family, family, familyOf, formatIp, formatPrefix, type Prefix } from './ip.ts'
import { type Attributes, attribute, flag, numberOf, parseAttributes, splitBody } from './message.ts'

const message = { new: 24, delete: 25, get: 26 } as const
const infoBytes = 12
const attributeOf = {
  destination: 1,
  link: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  via: 18,
  encapType: 21,
} as const
const metricMtu = 2
const metricHopLimit = 10
/** The default of every kernel, for both families. */
const defaultHopLimit = 64
/** Metrics of a route that {@link Route} has no place for, in the words of ip-route(8): RTAX_*. */
const otherMetrics: Readonly<Record<number, string>> = {
  1: 'lock',
  3: 'window',
  4: 'rtt',
  5: 'rttvar',
  6: 'ssthresh',
  7: 'cwnd',
  8: 'advmss',
  9: 'reordering',
  [metricHopLimit]: 'hoplimit',
  11: 'initcwnd',
  12: 'features',
  13: 'rto_min',
  14: 'initrwnd',
  15: 'quickack',
  16: 'congctl',
  17: 'fastopen_no_cookie',
}
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

/** Told of each route that is left out, or is not the same in a list of routes by one link each: which one, and why. */
export type OnOther = (route: string, why: string) => void

/**
 * Unicast routes of the main table of both families; of one over several links, a route by each. What the kernel made in other
 * tables, or to keep packets from itself, is left out without a word.
 */
export function listRoutes(client: NetlinkClient, onOther: OnOther = () => {}): Route[] {
  return client
    .dump(
      'list routes',
      message.get,
      structure(infoBytes, () => {}),
    )
    .flatMap((body) => parseRoute(body, onOther))
}

export function parseRoute(body: Uint8Array, onOther: OnOther = () => {}): Route[] {
  // The kernel tells those of other protocols, too (MPLS, phonet), with attributes of their own.
  const of = body[0]
  if (of !== family.ipv4 && of !== family.ipv6) return []
  const { head, attributes } = splitBody(body, infoBytes)
  const table = numberOf(attributes, attributeOf.table) || head.getUint8(4)
  if (table === localTable || (head.getUint32(8, true) & cloned) !== 0) return []
  const to = attributes.get(attributeOf.destination)?.slice()
  const destination = to && { address: to, length: head.getUint8(1) }
  const name = destination === undefined ? 'default' : formatPrefix(destination)
  const metrics = parseAttributes(attributes.get(attributeOf.metrics) ?? new Uint8Array(0))
  const whole = {
    family: of,
    ...(destination && { destination }),
    ...optional('source', attributes, attributeOf.preferredSource),
    scope: head.getUint8(6),
    protocol: head.getUint8(5),
    mtu: numberOf(metrics, metricMtu),
    metric: numberOf(attributes, attributeOf.priority),
  }
  const multipath = attributes.get(attributeOf.multipath)
  const single = { flags: head.getUint32(8, true), link: numberOf(attributes, attributeOf.link), attributes }
  const hops = multipath === undefined ? [single] : hopsIn(multipath)
  const why = otherwise({ head, table, hops })
  // The kernel has such routes of its own.
  if (why !== undefined && whole.protocol !== routeProtocol.kernel) onOther(name, why)
  if (why !== undefined) return []
  if (hops.length > 1) onOther(name, 'it has several ways, each of which becomes a route')
  const lost = metricsLost(metrics)
  if (lost.length > 0) onOther(name, `without its ${lost.join(', ')}`)
  return hops.map((hop) => ({
    ...whole,
    ...optional('gateway', hop.attributes, attributeOf.gateway),
    link: hop.link,
    flags: hop.flags & onLink,
  }))
}

/** A router that announces itself names the default hop limit, which is no loss. */
function metricsLost(metrics: Attributes): string[] {
  return [...metrics.keys()]
    .filter((type) => type !== metricMtu)
    .filter((type) => type !== metricHopLimit || numberOf(metrics, type) !== defaultHopLimit)
    .map((type) => otherMetrics[type] ?? `metric ${type}`)
}

/** One of the ways of a route. */
interface Hop {
  /** RTNH_F_*. */
  readonly flags: number
  /** Index of the link; 0: it names none. */
  readonly link: number
  readonly attributes: Attributes
}

/** struct rtnexthop: u16 length with all that follows, u8 flags, u8 weight less one, i32 index of the link. @throws NetlinkFormatError. */
function hopsIn(multipath: Uint8Array): Hop[] {
  const headBytes = 8
  const hops: Hop[] = []
  for (let at = 0; at + headBytes <= multipath.length; ) {
    const rest = multipath.subarray(at)
    const length = view(rest).getUint16(0, true)
    if (length < headBytes || length > rest.length)
      throw new NetlinkFormatError(`a way of ${length} bytes in ${rest.length}`)
    const { head, attributes } = splitBody(rest.subarray(0, length), headBytes)
    hops.push({ flags: head.getUint8(2), link: head.getInt32(4, true), attributes })
    at += (length + 3) & ~3
  }
  return hops
}

/** Types of routes that lead nowhere, by their numbers: RTN_*. */
const nowhere: Readonly<Record<number, string>> = {
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
  9: 'throw',
}

/** Why a route is none that {@link Route} could describe; undefined when it is one. */
function otherwise(route: {
  readonly head: DataView
  readonly table: number
  readonly hops: readonly Hop[]
}): string | undefined {
  const { head, table, hops } = route
  const type = head.getUint8(7)
  if (type !== unicast) return nowhere[type] ?? `type ${type}`
  if (table !== mainTable) return `table ${table}`
  if (head.getUint8(2) !== 0) return 'it is for one source'
  if (head.getUint8(3) !== 0) return 'it is for one type of service'
  if (hops.some(({ attributes }) => attributes.has(attributeOf.via)))
    return 'its gateway is of the other family'
  if (hops.some(({ attributes }) => attributes.has(attributeOf.encapType))) return 'it encapsulates packets'
  return hops.every(({ link }) => link !== 0) ? undefined : 'it names no link'
}

function optional<Name extends string>(name: Name, attributes: Attributes, type: number) {
  const value = attributes.get(type)?.slice()
  return (value && { [name]: value }) as Record<Name, Uint8Array> | undefined
}

/**
 * Adds the route. It replaces one to the same destination with the same metric, or stands beside it.
 *
 * @throws NetlinkError ENETUNREACH (unknown gateway), EINVAL; EEXIST when it is there and was to stand beside it.
 */
export function addRoute(client: NetlinkClient, route: Route, place: 'instead' | 'beside' = 'instead'): void {
  const flags = flag.create | (place === 'instead' ? flag.replace : flag.append)
  client.change(`add ${describeRoute(route)}`, message.new, routeBody(route), flags)
}

/** @throws NetlinkError ESRCH. */
export function deleteRoute(client: NetlinkClient, route: Route): void {
  client.change(`delete ${describeRoute(route)}`, message.delete, routeBody(route))
}

function describeRoute({ destination, gateway, link }: Route): string {
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
