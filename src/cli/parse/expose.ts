/** `--expose PORT[-PORT][/udp]`: declared ports of a container, beside those of its image. */
import { KataError } from '../../errors.ts'
import { type FreePort, isPort } from './publish.ts'

/** As many as one container is given by `--publish-all`: an image may name every port that there is. */
const mostPorts = 1000

/** The ports of the texts, each once. @throws KataError OPTION_INVALID. */
export function parseExpose(texts: readonly string[]): readonly FreePort[] {
  const ranges = texts.map((text) => {
    const range = rangeOf(text)
    if (range === undefined)
      throw new KataError('OPTION_INVALID', {
        option: '--expose',
        value: text,
        allowed: 'PORT or FIRST-LAST, with /udp or /tcp, from 1 to 65535, such as 53/udp',
      })
    return range
  })
  return portsOf(ranges)
}

/** An image's ports and those of the command line. What is neither TCP nor UDP leads nowhere, and is left out of the image's. */
export function exposedPorts(ofImage: readonly string[], asked: readonly FreePort[]): readonly FreePort[] {
  const ranges = asked.map(({ container, protocol }) => ({ from: container, to: container, protocol }))
  return portsOf([...ofImage.flatMap((text) => rangeOf(text) ?? []), ...ranges])
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

/** The same ports, which {@link exposedPorts} reads again: `80/tcp` and `8000-8009/udp`. There may be 131,070 of them. */
export function portRanges(ports: readonly FreePort[]): string[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const ranges: { from: number; to: number }[] = []
    const numbers = ports.filter((port) => port.protocol === protocol).map(({ container }) => container)
    for (const port of numbers.sort((a, b) => a - b)) {
      const last = ranges.at(-1)
      if (last?.to === port - 1) last.to = port
      else ranges.push({ from: port, to: port })
    }
    return ranges.map(({ from, to }) => `${from === to ? from : `${from}-${to}`}/${protocol}`)
  })
}

/** `80/tcp`. */
export const portName = ({ container, protocol }: FreePort): string => `${container}/${protocol}`

interface Range {
  readonly from: number
  readonly to: number
  readonly protocol: FreePort['protocol']
}

function rangeOf(text: string): Range | undefined {
  const [, first = '', last = first, protocol = 'tcp'] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp))?$/i.exec(text) ?? []
  const [from, to] = [Number(first), Number(last)]
  if (!isPort(from) || !isPort(to) || to < from) return undefined
  return { from, to, protocol: protocol.toLowerCase() as FreePort['protocol'] }
}

/** Each port once. Ranges that overlap cost no more than one of them, however many an image or a user names. */
function portsOf(ranges: readonly Range[]): FreePort[] {
  const ports: FreePort[] = []
  const next = { tcp: new NextFree(), udp: new NextFree() }
  for (const { from, to, protocol } of ranges)
    for (const container of next[protocol].take(from, to)) ports.push({ container, protocol })
  return ports
}

/** Which ports were not taken yet. */
class NextFree {
  /** For each number one that is not smaller, and as small as the next that is free: itself when it is. */
  readonly #next = new Map<number, number>()

  /** Takes all from `from` to `to` that are free, and says which those were. */
  take(from: number, to: number): number[] {
    const taken: number[] = []
    for (let port = this.#find(from); port <= to; port = this.#find(port)) {
      this.#next.set(port, port + 1)
      taken.push(port)
    }
    return taken
  }

  #find(port: number): number {
    const way: number[] = []
    for (let next = this.#next.get(port); next !== undefined; next = this.#next.get(port)) {
      way.push(port)
      port = next
    }
    // The way is not gone again.
    for (const passed of way) this.#next.set(passed, port)
    return port
  }
}
