/** `-p [IP:][HOST:]CONTAINER[/udp]`: a port of the host that leads to the container, or as many of each (`8000-8009:80-89`). */

import type { PublishedPort } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import { ipVersion } from '../../netlink/ip.ts'
import { parseAddress } from './address.ts'

/** A port of the container, to which whichever port of the host is free shall lead. */
export type FreePort = Omit<PublishedPort, 'host'>

/** Absent: any port of the host. */
export type PublishWish = FreePort & Partial<Pick<PublishedPort, 'host'>>

const highest = 65_535

/** Most for one container. Each is compared with those before it. */
const mostPorts = 4096

export const isPort = (port: number): boolean => port >= 1 && port <= highest

/** @throws KataError OPTION_INVALID; OPTION_CONFLICT when a port of the host is named twice. */
export function parsePublish(texts: readonly string[]): readonly PublishWish[] {
  const ports: { readonly text: string; readonly port: PublishWish }[] = []
  for (const text of texts) {
    for (const port of parseOne(text)) ports.push({ text, port })
    if (ports.length > mostPorts)
      throw new KataError('OPTION_INVALID', {
        option: '--publish',
        value: text,
        allowed: `at most ${mostPorts} ports of a container`,
      })
  }
  for (const [index, { text, port }] of ports.entries()) {
    // At the latest the port itself.
    const other = ports.find((earlier) => earlier.port === port || collides(earlier.port, port))!
    if (other !== ports[index])
      throw new KataError('OPTION_CONFLICT', {
        options: `--publish ${other.text} and --publish ${text}`,
        reason: 'a port of the host leads to one place',
        remedy: 'Publish one of them at another port.',
      })
  }
  return ports.map(({ port }) => port)
}

/** The wishes by whether they name a port of the host. */
export function splitWishes(wishes: readonly PublishWish[]) {
  const fixed: PublishedPort[] = []
  const free: FreePort[] = []
  for (const { host, ...port } of wishes) {
    if (host === undefined) free.push(port)
    else fixed.push({ ...port, host })
  }
  return { fixed, free }
}

/** pasta(1) keeps one port of the container for each of the host, whatever the addresses are. */
function collides(one: PublishWish, other: PublishWish): boolean {
  const samePort = one.host !== undefined && one.host === other.host && one.protocol === other.protocol
  return samePort && (one.container !== other.container || shareAddress(one.address, other.address))
}

/** Without an address it is at all of them. */
function shareAddress(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || one === other) return true
  return (
    ipVersion(one) === ipVersion(other) && [one, other].some((each) => each === '0.0.0.0' || each === '::')
  )
}

/** Each of them is a rule of the packet filter, and a socket or two. */
const longestRange = 256

function parseOne(value: string): PublishWish[] {
  const [, named, hostText = '', container = '', protocol = 'tcp'] =
    /^(?:(\[[^\]]+\]|[^:]+):(?=[\d-]*:))?(?:([\d-]*):)?([\d-]+)(?:\/(tcp|udp))?$/.exec(value) ?? []
  // As with docker and bind(2), 0 is any port that is free.
  const host = hostText === '0' ? '' : hostText
  const address = named === undefined ? undefined : parseAddress(named)
  const own = rangeOf(container)
  const ofHost = host === '' ? own?.map(() => undefined) : rangeOf(host)
  if (own === undefined || own.length !== ofHost?.length || (named !== undefined && address === undefined))
    throw new KataError('OPTION_INVALID', {
      option: '--publish',
      value,
      allowed: `[ADDRESS:][HOST:]CONTAINER[/udp], with ports from 1 to 65535 and IPv6 addresses in brackets, such as 127.0.0.1:8080:80, [::1]:8080:80, 127.0.0.1::80 or 80; or with as many ports of each, up to ${longestRange}, such as 8000-8009:80-89`,
    })
  return own.map((port, index) => ({
    ...(address === undefined ? {} : { address }),
    ...(host === '' ? {} : { host: ofHost[index]! }),
    container: port,
    protocol: protocol as PublishedPort['protocol'],
  }))
}

/** `80` or `80-89`; undefined for anything else. */
function rangeOf(text: string): number[] | undefined {
  const [, from = '', to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const [first, last] = [Number(from), Number(to)]
  if (!isPort(first) || !isPort(last) || last < first || last - first >= longestRange) return undefined
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
