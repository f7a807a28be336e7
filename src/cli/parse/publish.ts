/** `-p [IP:][HOST:]CONTAINER[/udp]`: a port of the host that leads to the container. */
import { isIPv4 } from 'node:net'
import type { PublishedPort } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'

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

function collides(one: PublishWish, other: PublishWish): boolean {
  const sameAddress =
    one.address === other.address || one.address === undefined || other.address === undefined
  return one.host !== undefined && one.host === other.host && one.protocol === other.protocol && sameAddress
}

function parseOne(value: string): PublishWish {
  const [, address, host = '', container, protocol = 'tcp'] =
    /^(?:([^:]+):(?=\d*:))?(?:(\d{0,5}):)?(\d{1,5})(?:\/(tcp|udp))?$/.exec(value) ?? []
  const ports = [host === '' ? 1 : Number(host), Number(container)]
  if (!ports.every(isPort) || (address !== undefined && !isIPv4(address)))
    throw new KataError('OPTION_INVALID', {
      option: '--publish',
      value,
      allowed:
        '[IPv4 address:][HOST:]CONTAINER[/udp], with ports from 1 to 65535, such as 127.0.0.1:8080:80, 127.0.0.1::80 or 80',
    })
  return {
    ...(address === undefined || address === '0.0.0.0' ? {} : { address }),
    ...(host === '' ? {} : { host: Number(host) }),
    ...{ container: Number(container), protocol: protocol as PublishedPort['protocol'] },
  }
}
