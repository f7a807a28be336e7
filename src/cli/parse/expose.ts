/** `--expose PORT[-PORT][/udp]`: declared ports of a container, beside those of its image. */
import { KataError } from '../../errors.ts'
import { type FreePort, isPort } from './publish.ts'

/** As many as one container is given by `--publish-all`: an image may name every port that there is. */
const mostPorts = 1000

/** The ports of the texts, each once. @throws KataError OPTION_INVALID. */
export function parseExpose(texts: readonly string[]): readonly FreePort[] {
  return unique(
    texts.flatMap((text) => {
      const ports = portsOf(text)
      if (ports === undefined)
        throw new KataError('OPTION_INVALID', {
          option: '--expose',
          value: text,
          allowed: 'PORT or FIRST-LAST, with /udp or /tcp, from 1 to 65535, such as 53/udp',
        })
      return ports
    }),
  )
}

/** An image's ports and those of the command line. What is neither TCP nor UDP leads nowhere, and is left out of the image's. */
export function exposedPorts(ofImage: readonly string[], asked: readonly FreePort[]): readonly FreePort[] {
  return unique([...ofImage.flatMap((text) => portsOf(text) ?? []), ...asked])
}

/** Those of `exposed` that have no port of the host yet. @throws KataError OPTION_INVALID. */
export function unpublished(
  exposed: readonly FreePort[],
  published: readonly FreePort[],
): readonly FreePort[] {
  const names = new Set(published.map(portName))
  const left = exposed.filter((port) => !names.has(portName(port)))
  if (left.length > mostPorts)
    throw new KataError('OPTION_INVALID', {
      option: '--publish-all',
      value: `${left.length} ports`,
      allowed: `at most ${mostPorts} exposed ports`,
    })
  return left
}

/** `80/tcp`. */
export const portName = ({ container, protocol }: FreePort): string => `${container}/${protocol}`

function portsOf(text: string): FreePort[] | undefined {
  const [, first = '', last = first, protocol = 'tcp'] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp))?$/i.exec(text) ?? []
  const [from, to] = [Number(first), Number(last)]
  if (!isPort(from) || !isPort(to) || to < from) return undefined
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    container: from + index,
    protocol: protocol.toLowerCase() as FreePort['protocol'],
  }))
}

function unique(ports: readonly FreePort[]): FreePort[] {
  return [...new Map(ports.map((port) => [portName(port), port])).values()]
}
