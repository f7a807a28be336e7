/**
 * A network that containers share: a bridge in a network namespace of its own, without addresses, routes or processes. Each container has
 * its own gateway (../uplink), which is a port of that bridge. The namespace is held open by the shims of the containers on it, and ends
 * with the last of them; the next container makes it anew.
 */
import { chmodSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { NetworkPlace } from '../../bundle/network.ts'
import { describeError, KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { underDirectoryLock } from '../../linux/files/directory-lock.ts'
import { hasIpv6 } from '../../linux/interfaces/ipv6.ts'
import { inNewNetns, type Netns, openNetns, openOwnNetns } from '../../linux/processes/netns.ts'
import { isAlive, ownProcess, type ProcessRef } from '../../linux/processes/proc.ts'
import { tolerate } from '../../netlink/error.ts'
import { changeLink, stopOwnIpv6 } from '../../netlink/link.ts'
import { addBridge, addVeth, enslave } from '../../netlink/new-link.ts'
import { withClient, withClientHere } from '../client.ts'
import { linkNamed } from '../link-named.ts'
import { gatewayLinks, ipv6Beside } from '../uplink/addresses.ts'
import { type Member, readMembers } from './members.ts'

/** How long another container may take to make the same network, milliseconds. */
const patienceMs = 10_000
const mostTries = 5
/** In the network's namespace. */
const bridgeName = 'br0'

export interface MemberData {
  /** The file that says who it is. */
  readonly path: string
}

/** The file of a member while it is written; name servers pass it over. */
const freshOf = (path: string): string => `${dirname(path)}/.${basename(path)}`

/** Its interfaces go with the gateway's namespace, and the network with its last holder. */
export const memberResource: ResourceKind<MemberData> = {
  kind: 'network-member',
  async release({ path }) {
    const directory = dirname(dirname(path))
    const remove = () => {
      for (const file of [path, freshOf(path)]) rmSync(file, { force: true })
    }
    const outcome = await underDirectoryLock(directory, patienceMs, async () => {
      remove()
      removeEmpty(dirname(path), directory, dirname(directory), dirname(dirname(directory)))
    })
    if (outcome === 'busy') remove()
  },
}

/** Directories from the inside out, as far as nothing is in them. */
function removeEmpty(...directories: readonly string[]): void {
  try {
    for (const directory of directories) rmdirSync(directory)
  } catch {
    // Others are on this network, or on another one.
  }
}

export interface Joined {
  /** Directory of the members, for the name server. */
  readonly members: string
  /** The network, which is held until this is closed or the process ends. */
  readonly netns: Netns
}

/** Where the members of a network are; all of it is void after a boot. */
export const membersDir = (runDir: string, namespace: string, network: string): string =>
  `${runDir}/networks/${namespace}/${network}/members`

/**
 * Becomes a member, under a name that is unique on the network, and holds the network open. The first member makes it.
 *
 * @throws KataError NETWORK_START_FAILED.
 */
export function joinNetwork(
  ledger: Ledger,
  { members, id, place }: { readonly members: string; readonly id: string; readonly place: NetworkPlace },
): Promise<Joined> {
  const path = `${members}/${id}`
  return ledger.take(memberResource, { path }, async () => {
    for (let tries = 1; ; tries++) {
      const outcome = await tryToJoin(path, place)
      if (typeof outcome !== 'string') return { members, netns: outcome }
      if (outcome === 'busy' || tries === mostTries)
        throw failed(place.network, 'others are at work on it all the time')
    }
  })
}

/** The last member removes the directory: then it is made again. */
async function tryToJoin(path: string, place: NetworkPlace): Promise<Netns | 'gone' | 'busy'> {
  const members = dirname(path)
  let netns: Netns | undefined
  try {
    mkdirSync(dirname(members), { recursive: true, mode: 0o700 })
    const outcome = await underDirectoryLock(dirname(members), patienceMs, async () => {
      mkdirSync(members, { recursive: true })
      // A name server, which has no rights, is given the directory open.
      chmodSync(members, 0o755)
      netns = findNetwork(members) ?? makeNetwork()
      writeMember(path, place, ownProcess(), netns)
    })
    return outcome === 'done' ? netns! : outcome
  } catch (cause) {
    netns?.close()
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'gone'
    throw failed(place.network, describeError(cause), cause)
  }
}

const failed = (network: string, reason: string, cause?: unknown) =>
  new KataError('NETWORK_START_FAILED', { reason: `network ${network}: ${reason}` }, { cause })

/** Makes the gateway in the namespace `gateway` a port of the network. @throws KataError NETWORK_START_FAILED. */
export function plugIn({ netns }: Pick<Joined, 'netns'>, gateway: Netns): void {
  const name = `v${crypto.randomUUID().replaceAll('-', '').slice(0, 12)}`
  const peer = { name: gatewayLinks.network, netnsFd: gateway.fd }
  try {
    withClient(netns, (client) => {
      addVeth(client, { name, master: linkNamed(client, bridgeName).index, peer })
      const { index } = linkNamed(client, name)
      tolerate(['EAFNOSUPPORT'], () => stopOwnIpv6(client, index))
      changeLink(client, index, { up: true })
    })
    withClient(gateway, (client) => {
      const indexOf = (name: string) => linkNamed(client, name).index
      enslave(client, indexOf(gatewayLinks.network), indexOf(gatewayLinks.down))
    })
  } catch (cause) {
    throw new KataError('NETWORK_START_FAILED', { reason: describeError(cause) }, { cause })
  }
}

/** Those who can still be on the network: their shims are alive. */
export const liveMembers = (members: string): Member[] =>
  [...readMembers(members).values()].filter(({ holder }) => isAlive(holder))

function findNetwork(members: string): Netns | undefined {
  for (const { holder, fd, identity } of liveMembers(members)) {
    try {
      const netns = openNetns(`/proc/${holder.pid}/fd/${fd}`)
      if (netns.identity === identity && isAlive(holder)) return netns
      netns.close()
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined
}

function makeNetwork(): Netns {
  return inNewNetns(() => {
    withClientHere((client) => {
      addBridge(client, bridgeName)
      const { index } = linkNamed(client, bridgeName)
      tolerate(['EAFNOSUPPORT'], () => stopOwnIpv6(client, index))
      changeLink(client, index, { up: true })
    })
    return openOwnNetns()
  })
}

/** Name servers of other containers read it, which have no rights. */
function writeMember(path: string, place: NetworkPlace, holder: ProcessRef, netns: Netns): void {
  const { address, names } = place
  const ipv6 = hasIpv6() ? { ipv6: ipv6Beside(address) } : {}
  const member: Member = { address, ...ipv6, names, holder, fd: netns.fd, identity: netns.identity }
  const fresh = freshOf(path)
  writeFileSync(fresh, JSON.stringify(member))
  chmodSync(fresh, 0o644)
  renameSync(fresh, path)
}
