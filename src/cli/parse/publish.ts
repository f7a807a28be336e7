/** `-p [IP:][HOST:]CONTAINER[/udp]`: a port of the host that leads to the container. */

import type { PublishedPort } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import { ipVersion } from '../../netlink/ip.ts'
import { parseAddress } from './address.ts'

/** A port of the container, to which whichever port of the host is free shall lead. */
export type FreePort = Omit<PublishedPort, 'host'>

/** Absent: any port of the host. */
export type PublishWish = FreePort & Partial<Pick<PublishedPort, 'host'>>

const highest = 65_535

export const isPort = (port: number): boolean => port >= 1 && port <= highest

/** @throws KataError OPTION_INVALID; OPTION_CONFLICT when a port of the host is named twice. */
export function parsePublish(texts: readonly string[]): readonly PublishWish[] {
  const ports = texts.map(parseOne)
  for (const [index, port] of ports.entries()) {
    const other = ports.slice(0, index).find((earlier) => collides(earlier, port))
    if (other !== undefined)
      throw new KataError('OPTION_CONFLICT', {
        options: `--publish ${texts[ports.indexOf(other)]} and --publish ${texts[index]}`,
        reason: 'a port of the host leads to one place',
        remedy: 'Publish one of them at another port.',
      })
  }
  return ports
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

function parseOne(value: string): PublishWish {
  const [, named, host = '', container, protocol = 'tcp'] =
    /^(?:(\[[^\]]+\]|[^:]+):(?=\d*:))?(?:(\d{0,5}):)?(\d{1,5})(?:\/(tcp|udp))?$/.exec(value) ?? []
  const address = named === undefined ? undefined : parseAddress(named)
  const ports = [host === '' ? 1 : Number(host), Number(container)]
  if (!ports.every(isPort) || (named !== undefined && address === undefined))
    throw new KataError('OPTION_INVALID', {
      option: '--publish',
      value,
      allowed:
        '[ADDRESS:][HOST:]CONTAINER[/udp], with ports from 1 to 65535 and IPv6 addresses in brackets, such as 127.0.0.1:8080:80, [::1]:8080:80, 127.0.0.1::80 or 80',
    })
  return {
    ...(address === undefined ? {} : { address }),
    ...(host === '' ? {} : { host: Number(host) }),
    ...{ container: Number(container), protocol: protocol as PublishedPort['protocol'] },
  }
}
