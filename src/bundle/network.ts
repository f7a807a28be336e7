/** The network that the command line asks for; without the file a container has none, or its client's. */

import { describeError } from '../errors.ts'
import { list, needed, record } from '../json/compounds.ts'
import { readText as readJson } from '../json/document.ts'
import { choice, positive, text } from '../json/values.ts'
import { bundleFile } from './files.ts'
import { invalid, readText, replaceFile } from './read-file.ts'

/** A port of the host that leads to the container. */
export interface PublishedPort {
  /** IPv4 address of the host; absent: all. */
  readonly address?: string | undefined
  readonly host: number
  readonly container: number
  readonly protocol: 'tcp' | 'udp'
}

/** What a container may reach: a name, all names below one (`*.example.org`) or an IPv4 address. */
export interface AllowedHost {
  /** Lower case. */
  readonly host: string
  /** Absent: every port of TCP. */
  readonly port?: number | undefined
}

export interface NetworkWishes {
  readonly ports: readonly PublishedPort[]
  /** All that may be reached; absent: whatever the host reaches. */
  readonly allowed?: readonly AllowedHost[] | undefined
}

const networkWishes = record<NetworkWishes>({
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
})

export function writeNetworkWishes(bundle: string, wishes: NetworkWishes): void {
  replaceFile(bundleFile(bundle, 'network'), JSON.stringify(wishes))
}

/** @throws KataError BUNDLE_FILE_INVALID. */
export function readNetworkWishes(bundle: string): NetworkWishes | undefined {
  const path = bundleFile(bundle, 'network')
  const json = readText(path)
  if (json === undefined) return undefined
  try {
    return readJson(networkWishes, json)
  } catch (cause) {
    throw invalid(path, describeError(cause), cause)
  }
}
