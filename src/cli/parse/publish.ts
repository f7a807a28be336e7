/** `-p [IP:]HOST:CONTAINER[/udp]`: a port of the host that leads to the container. */
import { isIPv4 } from 'node:net'
import type { PublishedPort } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'

const highest = 65_535

/** @throws KataError OPTION_INVALID; OPTION_CONFLICT when a port of the host is named twice. */
export function parsePublish(texts: readonly string[]): readonly PublishedPort[] {
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

function collides(one: PublishedPort, other: PublishedPort): boolean {
  const sameAddress =
    one.address === other.address || one.address === undefined || other.address === undefined
  return one.host === other.host && one.protocol === other.protocol && sameAddress
}

function parseOne(value: string): PublishedPort {
  const [, address, host, container, protocol = 'tcp'] =
    /^(?:([^:]+):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(value) ?? []
  const ports = [Number(host), Number(container)] as const
  const isPort = (port: number) => port >= 1 && port <= highest
  if (!ports.every(isPort) || (address !== undefined && !isIPv4(address)))
    throw new KataError('OPTION_INVALID', {
      option: '--publish',
      value,
      allowed: '[IPv4 address:]HOST:CONTAINER[/udp], with ports from 1 to 65535, such as 127.0.0.1:8080:80',
    })
  return {
    ...(address === undefined || address === '0.0.0.0' ? {} : { address }),
    ...{ host: ports[0], container: ports[1], protocol: protocol as PublishedPort['protocol'] },
  }
}
