/** The network that the command line asks for; without the file a container has none, or its client's. */
import { describeError } from '../errors.ts'
import { list, needed, record } from '../json/compounds.ts'
import { readText as readJson } from '../json/document.ts'
import { choice, positive, text } from '../json/values.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import { bundleFile } from './files.ts'
import { invalid, readText } from './read-file.ts'

/** A port of the host that leads to the container. */
export interface PublishedPort {
  /** Address of the host, `0.0.0.0` or `::` for all of a family; absent: all. */
  readonly address?: string | undefined
  readonly host: number
  readonly container: number
  readonly protocol: 'tcp' | 'udp'
}

/** What a container may reach: a name, all names below one (`*.example.org`) or an address. */
export interface AllowedHost {
  /** Lower case. */
  readonly host: string
  /** Absent: every port of TCP. */
  readonly port?: number | undefined
}

/** A container's place on a network that it shares with others. */
export interface NetworkPlace {
  /** The network's name. */
  readonly network: string
  readonly address: string
  /** The length of the network's prefix. */
  readonly bits: number
  /** The address by which the container leaves the network, and asks for names. */
  readonly gateway: string
  /** By which others on the network find it, in lower case. */
  readonly names: readonly string[]
  /** The name server for all other names, by its IPv4 address; absent: the host's. */
  readonly upstream?: string | undefined
}

export interface NetworkWishes {
  readonly ports: readonly PublishedPort[]
  /** All that may be reached outside; absent: whatever the host reaches. */
  readonly allowed?: readonly AllowedHost[] | undefined
  /** Absent: a network for this container alone. */
  readonly place?: NetworkPlace | undefined
  /** The container's hardware address; absent: any. */
  readonly mac?: string | undefined
}

const wishesReader = () =>
  record<NetworkWishes>({
    ports: needed(
      list(
        record<PublishedPort>({
          address: text,
          host: needed(positive),
          container: needed(positive),
          protocol: needed(choice('tcp', 'udp')),
        }),
      ),
    ),
    allowed: list(record<AllowedHost>({ host: needed(text), port: positive })),
    place: record<NetworkPlace>({
      network: needed(text),
      address: needed(text),
      bits: needed(positive),
      gateway: needed(text),
      names: needed(list(text)),
      upstream: text,
    }),
    mac: text,
  })

/** `isFlushed`: a crash of the host leaves the former wishes or these. */
export function writeNetworkWishes(
  bundle: string,
  wishes: NetworkWishes,
  how: { readonly isFlushed?: boolean } = {},
): void {
  replaceFile(bundleFile(bundle, 'network'), JSON.stringify(wishes), how)
}

/** @throws KataError BUNDLE_FILE_INVALID. */
export function readNetworkWishes(bundle: string): NetworkWishes | undefined {
  const path = bundleFile(bundle, 'network')
  const json = readText(path)
  if (json === undefined) return undefined
  try {
    return readJson(wishesReader(), json)
  } catch (cause) {
    throw invalid(path, describeError(cause), cause)
  }
}
