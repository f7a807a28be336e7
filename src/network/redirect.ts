/**
 * The path of a pod's packets into its machine, as in Kata's model `tcfilter`: a tap beside the interface that the
 * network plugin made, and an ingress filter on each that hands every packet to the other. The namespace's own stack
 * sees none of them, so that the guest can have the interface's own address.
 */
import { closeSync } from 'node:fs'
import { KataError } from '../errors.ts'
import type { ResourceKind } from '../ledger/ledger.ts'
import { keepTap, openTap, tunDevice } from '../linux/interfaces/tap.ts'
import { SyscallError } from '../linux/libc.ts'
import { isNoNetns, lastingIdentity, type Netns, openNetns } from '../linux/processes/netns.ts'
import type { NetlinkClient } from '../netlink/client.ts'
import { NetlinkError, tolerate } from '../netlink/error.ts'
import { changeLink, deleteLink, listLinks, stopOwnIpv6 } from '../netlink/link.ts'
import { addIngress, deleteIngress, redirectAll } from '../netlink/traffic.ts'
import { withClient } from './client.ts'
import type { PodInterface } from './facts.ts'
import { limitPath, type NetworkLimits, unlimit } from './limits.ts'
import { linkNamed } from './link-named.ts'
import { leadLocalhost, restoreLocalhost } from './localhost.ts'

export interface RedirectData {
  /** Path of the namespace, and its {@link lastingIdentity}. */
  readonly netns: string
  readonly identity: string
  /** The interface of the pod. */
  readonly link: { readonly index: number; readonly name: string }
  readonly tap: string
  /** Whether localhost of the namespace leads there. */
  readonly localhost: boolean
  /** Not ours when the redirect failed: it stays. */
  readonly others?: Others
}

/** All of it, when another sandbox is connected to the interface or no tap can be made; or the ingress queue, which another program put there. */
export type Others = 'all' | 'queue'

/** Removes filter and tap. A namespace that is gone, or was replaced, took them along. */
export const redirectResource: ResourceKind<RedirectData> = {
  kind: 'network-redirect',
  release: ({ netns: path, identity, link, tap, localhost, others }) => {
    if (others === 'all') return
    const netns = openIfThere(path)
    try {
      if (netns === undefined || lastingIdentity(netns) !== identity) return
      withClient(netns, (client) => {
        const links = listLinks(client)
        const found = links.find(({ index, name }) => index === link.index && name === link.name)
        const left = links.find(({ name }) => name === tap)
        if (found && others === undefined)
          tolerate(['ENODEV', 'ENOENT', 'EINVAL'], () => deleteIngress(client, found.index))
        if (found) unlimit(client, found.index)
        if (left) tolerate(['ENODEV'], () => deleteLink(client, left.index))
        if (localhost) restoreLocalhost(client)
      })
    } catch (error) {
      if (!isNoNetns(error)) throw error
    } finally {
      netns?.close()
    }
  },
}

function openIfThere(path: string): Netns | undefined {
  try {
    return openNetns(path)
  } catch (error) {
    if (isNoNetns(error)) return undefined
    throw error
  }
}

/**
 * The tap driver takes no larger MTU (65,535 less the header of Ethernet); a veth may have 65,535. It is for what the namespace's own stack
 * sends: what is redirected goes by whole.
 */
const mostTapMtu = 65_521

/** IFNAMSIZ without the final NUL. */
const longestName = 15

/** An interface of Docker's keeps the number that it had on the host, which counts all that the host ever had. */
export function tapName({ index }: Pick<PodInterface, 'index'>): string {
  const name = `tap${index}_kata`
  return name.length <= longestName ? name : `tapx${index.toString(36)}_kata`
}

export interface RedirectOptions {
  readonly queues: number
  /** Whether localhost of the namespace shall lead there, see localhost.ts. */
  readonly localhost: boolean
  /** Whether Docker's name server is there. */
  readonly nameServer: boolean
  readonly limits: NetworkLimits
  /** The user that is to open the tap by its name: it stays, and no descriptor does. */
  readonly owner?: number | undefined
  /** Told before it fails because of them. */
  readonly found?: (others: Others) => void
}

export interface Redirected {
  /** One descriptor for each queue. */
  readonly taps: number[]
  /** Hardware address of the tap. */
  readonly mac: string
}

/**
 * Makes the tap in the namespace of the calling thread, which is that of `client`. The caller holds a
 * {@link redirectResource}: what a failure leaves is released by it.
 *
 * @throws KataError NETWORK_TUN_MISSING, NETWORK_REDIRECT_FAILED, NETWORK_LIMIT_FAILED.
 */
export function redirect(
  client: NetlinkClient,
  to: PodInterface,
  { queues, localhost, nameServer, limits, owner, found }: RedirectOptions,
): Redirected {
  const name = tapName(to)
  const taps = makeOwnTap(name, queues, to, found)
  try {
    // First: from here on the queue that a release finds is ours.
    addOwnIngress(client, to, found)
    const { index, mac } = linkNamed(client, name)
    // Packets of the tap's own stack would reach the guest as if from a neighbour.
    tolerate(['EAFNOSUPPORT'], () => stopOwnIpv6(client, index))
    changeLink(client, index, { mtu: Math.min(to.mtu, mostTapMtu), up: true })
    addIngress(client, index)
    limitPath(client, { name: to.name, link: to.index, tap: index, mtu: to.mtu }, limits)
    if (localhost) leadLocalhost({ client, link: to.index, tap: index, mac: to.mac, nameServer })
    redirectAll(client, index, to.index)
    redirectAll(client, to.index, index)
    if (owner !== undefined) keepTap(taps[0]!, owner)
    return { taps: owner === undefined ? taps : closeAll(taps), mac }
  } catch (error) {
    closeAll(taps)
    if (!(error instanceof NetlinkError)) throw error
    throw new KataError('NETWORK_REDIRECT_FAILED', { name: to.name, reason: error.message }, { cause: error })
  }
}

/** @throws KataError NETWORK_TUN_MISSING, NETWORK_REDIRECT_FAILED. */
function makeOwnTap(
  tap: string,
  queues: number,
  { name }: PodInterface,
  found: RedirectOptions['found'],
): number[] {
  try {
    return makeTap(tap, queues)
  } catch (cause) {
    // Without a tap nothing there is ours.
    found?.('all')
    if (!(cause instanceof SyscallError) || cause.errno !== 'EBUSY') throw cause
    const reason = `it is connected to another one already, by ${tap}`
    throw new KataError('NETWORK_REDIRECT_FAILED', { name, reason }, { cause })
  }
}

/** @throws NetlinkError. */
function addOwnIngress(
  client: NetlinkClient,
  { index }: PodInterface,
  found: RedirectOptions['found'],
): void {
  try {
    addIngress(client, index)
  } catch (error) {
    found?.('queue')
    throw error
  }
}

function closeAll(fds: readonly number[]): number[] {
  for (const fd of fds) closeSync(fd)
  return []
}

/** @throws KataError NETWORK_TUN_MISSING. @throws SyscallError EBUSY when the name is taken. */
export function makeTap(name: string, queues: number): number[] {
  try {
    return openTap(name, queues)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENODEV' && code !== 'ENXIO') throw cause
    throw new KataError('NETWORK_TUN_MISSING', { path: tunDevice }, { cause })
  }
}
