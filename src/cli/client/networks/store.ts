/** Networks by name: `<stateDir>/networks/<namespace>/<name>/network.json`. What runs for one is src/network/shared's. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { describeError, KataError } from '../../../errors.ts'
import { dictionary, needed, record } from '../../../json/compounds.ts'
import { readFile } from '../../../json/document.ts'
import { bool, text } from '../../../json/values.ts'
import { makeUnderDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { writeFlushed } from '../../../linux/files/named-write.ts'
import { namesIn } from '../../../linux/files/names-in.ts'
import type { Labels } from '../../parse/labels.ts'
import { checkName, isName } from '../../parse/name.ts'
import { overlaps, parseSubnet, type Subnet } from '../../parse/subnet.ts'
import { freeSubnet } from './addresses.ts'

/** Where networks are kept. */
export interface NetworkStore {
  readonly stateDir: string
  readonly namespace: string
}

export interface NamedNetwork {
  readonly name: string
  /** ISO 8601. */
  readonly createdAt: string
  readonly labels: Labels
  /** `10.89.0.0/24`. */
  readonly subnet: string
  /** It leads to its own containers and nowhere else. */
  readonly internal: boolean
}

const networkFile = record<NamedNetwork>({
  name: needed(text),
  createdAt: needed(text),
  labels: needed(dictionary(text)),
  subnet: needed(text),
  internal: needed(bool),
})

/** How long others may take to make theirs, milliseconds. */
const patienceMs = 30_000

/** Words of `run --network` that are no names. */
const words = ['none', 'bridge', 'host', 'default']

export interface NetworkWish {
  readonly labels: Labels
  /** Absent: one that no other network has, and not the host either. */
  readonly subnet?: Subnet | undefined
  readonly internal: boolean
}

/** The directory of a network, which is its lock, too. @throws KataError NAME_INVALID. */
export const networkDir = (store: NetworkStore, name: string): string =>
  `${directoryOf(store)}/${checkName(name, 'network')}`

/**
 * Nobody else makes a network in this namespace meanwhile: two would choose the same subnet.
 *
 * @throws KataError OPTION_INVALID for a word of `run --network`; NAME_INVALID, NETWORK_EXISTS, NETWORK_SUBNET_TAKEN, NETWORK_BUSY.
 */
export async function createNetwork(
  store: NetworkStore,
  name: string,
  wish: NetworkWish,
): Promise<NamedNetwork> {
  if (words.includes(name))
    throw new KataError('OPTION_INVALID', {
      option: 'network create',
      value: name,
      allowed: `any name but ${words.join(', ')}, which mean something else to \`run --network\``,
    })
  const directory = networkDir(store, name)
  const all = directoryOf(store)
  mkdirSync(all, { recursive: true, mode: 0o700 })
  const made = await makeUnderDirectoryLock(all, patienceMs, async () =>
    writeNetwork(store, { name, directory }, wish),
  )
  if (typeof made === 'string') throw new KataError('NETWORK_BUSY', { name })
  return made.value
}

/** The caller has the lock of all networks. */
function writeNetwork(
  store: NetworkStore,
  { name, directory }: { readonly name: string; readonly directory: string },
  { labels, internal, subnet: asked }: NetworkWish,
): NamedNetwork {
  const subnet = chooseSubnet(store, asked)
  const network = { name, createdAt: new Date().toISOString(), labels, subnet: subnet.text, internal }
  const fresh = `${directoryOf(store)}/.${crypto.randomUUID()}`
  mkdirSync(fresh, { mode: 0o700 })
  try {
    writeFlushed(`${fresh}/network.json`, `${JSON.stringify(network, null, 2)}\n`, directory)
    // Onto a directory with a file in it there is no renaming.
    renameSync(fresh, directory)
  } catch (cause) {
    rmSync(fresh, { recursive: true })
    if (!existsSync(directory)) throw cause
    throw new KataError('NETWORK_EXISTS', { name, namespace: store.namespace }, { cause })
  }
  return network
}

function chooseSubnet(store: NetworkStore, asked: Subnet | undefined): Subnet {
  const others = listNetworks(store).flatMap((name) => readUnlessGone(store, name))
  const taken = others.map(({ name, subnet }) => ({ name, subnet: parseSubnet(subnet) }))
  const other = asked === undefined ? undefined : taken.find(({ subnet }) => overlaps(subnet, asked))
  if (asked !== undefined && other !== undefined)
    throw new KataError('NETWORK_SUBNET_TAKEN', {
      subnet: asked.text,
      by: `network ${other.name} (${other.subnet.text})`,
    })
  // An address of the host's own networks would lead a container to its neighbours instead.
  const found = asked ?? freeSubnet([...taken.map(({ subnet }) => subnet), ...subnetsOfHost()])
  if (found === undefined)
    throw new KataError('NETWORK_SUBNET_TAKEN', { subnet: '10.89.0.0/16', by: 'other networks' })
  return found
}

/** Others remove networks meanwhile. */
function readUnlessGone(store: NetworkStore, name: string): NamedNetwork[] {
  try {
    return [readNetwork(store, name)]
  } catch (error) {
    if (error instanceof KataError && error.code === 'NETWORK_NOT_FOUND') return []
    throw error
  }
}

function subnetsOfHost(): Subnet[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).flatMap(({ family, cidr }) => {
      try {
        return family === 'IPv4' && cidr !== null ? [parseSubnet(cidr)] : []
      } catch {
        // Loopback, or a single address.
        return []
      }
    }),
  )
}

/** @throws KataError NAME_INVALID, NETWORK_NOT_FOUND, NETWORK_UNREADABLE. */
export function readNetwork(store: NetworkStore, name: string): NamedNetwork {
  const path = `${networkDir(store, name)}/network.json`
  if (!existsSync(path)) throw new KataError('NETWORK_NOT_FOUND', { name, namespace: store.namespace })
  try {
    return readFile(networkFile, path)
  } catch (cause) {
    throw new KataError('NETWORK_UNREADABLE', { path, reason: describeError(cause) }, { cause })
  }
}

/** Names of the networks of a namespace, sorted. */
export function listNetworks(store: NetworkStore): string[] {
  return namesIn(directoryOf(store)).filter(isName)
}

/** The caller has its lock. */
export function forgetNetwork(store: NetworkStore, name: string): void {
  // Under a name that is nobody's: half of a network could neither be used nor removed.
  const old = `${directoryOf(store)}/.${crypto.randomUUID()}`
  renameSync(networkDir(store, name), old)
  rmSync(old, { recursive: true, force: true })
}

const directoryOf = ({ stateDir, namespace }: NetworkStore): string =>
  `${stateDir}/networks/${checkName(namespace, 'namespace')}`
