/** From a pod's network namespace to network cards for its machine. */
import { closeSync } from 'node:fs'
import { describeError, KataError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { SyscallError } from '../linux/libc.ts'
import { inNetns, lastingIdentity, type Netns, openNetns, openOwnNetns } from '../linux/processes/netns.ts'
import type { Logger } from '../log.ts'
import { listLinks } from '../netlink/link.ts'
import { warnOfFilters } from './bypassed-filters.ts'
import { withClient } from './client.ts'
import {
  type EmbeddedDnsData,
  embeddedDnsResource,
  leadToEmbeddedDns,
  usableEmbeddedDns,
} from './embedded-dns.ts'
import type { Localhost, NetworkFacts, Nic, PodInterface } from './facts.ts'
import { type NetworkLimits, noLimits } from './limits.ts'
import { embeddedServer, hostPeer } from './localhost.ts'
import { type Others, type RedirectData, redirect, redirectResource, tapName } from './redirect.ts'
import { scanNetwork } from './scan.ts'
import { openVhosts } from './vhost.ts'

export interface NetworkOptions {
  /** Path of the pod's network namespace. */
  readonly netns: string
  /** Pairs of queues of each card. */
  readonly queues: number
  /** Whether vhost-net is used where the host has it. */
  readonly vhost: boolean
  /** The limits of each interface; default none. */
  readonly limits?: NetworkLimits
  /** Interfaces, by index, that have their card already. */
  readonly known?: ReadonlySet<number>
  /** The interface to which the namespace's localhost leads already; absent: the first one that gets a card. */
  readonly localhost?: Localhost | undefined
  /** The user of a VMM that opens taps by their names, in this namespace; then each has one queue. */
  readonly owner?: number | undefined
  readonly log: Logger
}

export interface AttachedNetwork extends Disposable {
  /** The facts of the whole namespace. */
  readonly facts: NetworkFacts
  /** The interfaces that had no card yet. */
  readonly fresh: readonly PodInterface[]
  /** Their cards, in the same order. */
  readonly nics: readonly Nic[]
  /** Names of all links that the namespace has now, sorted. */
  readonly links: readonly string[]
  /** Closes the descriptors; the same as disposing, and safe to call again. */
  close(): void
}

/**
 * Redirects every interface of the namespace that has no card yet into a tap. The descriptors stay with the caller until
 * the VMM has its own. A failure leaves all of them as they were.
 *
 * @throws KataError NETNS_INVALID, NETNS_HOST, NETWORK_TUN_MISSING, NETWORK_REDIRECT_FAILED,
 *   NETWORK_LIMIT_FAILED, NETWORK_INTERFACE_UNSUPPORTED, NETWORK_INTERFACES_ALIKE, NETWORK_TOO_MANY, NETWORK_DNS_FAILED.
 */
export async function attachNetwork(ledger: Ledger, options: NetworkOptions): Promise<AttachedNetwork> {
  const { netns: path, known = new Set(), log } = options
  const netns = openPodNetns(path)
  const nics: Nic[] = []
  const open: number[] = []
  const close = () => closeAll(open.splice(0))
  const undo: (() => Promise<void>)[] = []
  try {
    const found = enter(path, () => withClient(netns, (client) => scanNetwork(client, log)))
    let { localhost } = options
    const embedded =
      localhost === undefined ? enter(path, () => inNetns(netns, () => usableEmbeddedDns(log))) : undefined
    const fresh = found.interfaces.filter(({ index }) => !known.has(index))
    // Before any of ours.
    if (localhost === undefined && fresh.length > 0)
      enter(path, () => inNetns(netns, () => warnOfFilters(log)))
    const identity = lastingIdentity(netns)
    const isHere = (data: RedirectData | EmbeddedDnsData) => data.netns === path && data.identity === identity
    for (const each of fresh) {
      const { nic, tapMac } = await makeNic(ledger, netns, each, {
        ...options,
        localhost,
        nameServer: embedded !== undefined,
      })
      open.push(...nic.taps, ...nic.vhosts)
      undo.push(() =>
        ledger.release(redirectResource, (data) => isHere(data) && data.link.index === each.index),
      )
      if (localhost === undefined && embedded !== undefined) {
        const data = { netns: path, identity }
        await leadToEmbeddedDns(ledger, data, { tap: tapName(each), ports: embedded })
        undo.push(() => ledger.release(embeddedDnsResource, isHere))
      }
      localhost ??= {
        index: each.index,
        mac: tapMac,
        peer: hostPeer,
        ...(embedded === undefined ? {} : { nameServer: embeddedServer }),
      }
      nics.push(nic)
    }
    const facts = { ...found, ...(localhost && { localhost }) }
    const links = enter(path, () => withClient(netns, listLinks)).map(({ name }) => name)
    return { facts, fresh, nics, links: links.sort(), close, [Symbol.dispose]: close }
  } catch (error) {
    close()
    // A sandbox that goes on may try again (attachLate), and would find these taken.
    for (const one of undo.reverse())
      await one().catch((left) =>
        log.error('a network stays connected in part', { netns: path, error: left }),
      )
    throw error
  } finally {
    netns.close()
  }
}

function makeNic(
  ledger: Ledger,
  netns: Netns,
  found: PodInterface,
  options: NetworkOptions & { readonly nameServer: boolean },
) {
  const { index, name, mac, mtu } = found
  const { owner, nameServer, limits = noLimits } = options
  const queues = owner === undefined ? options.queues : 1
  const localhost = options.localhost === undefined
  const identity = lastingIdentity(netns)
  const place = { netns: options.netns, identity, link: { index, name }, tap: tapName(found) }
  return ledger.take(redirectResource, { ...place, localhost }, (entry) => {
    const leave = (others: Others) => entry.amend({ ...place, localhost, others })
    const vhosts = options.vhost && owner === undefined ? openVhosts(queues) : []
    try {
      const made = withClient(netns, (client) =>
        redirect(client, found, { queues, localhost, nameServer, limits, owner, found: leave }),
      )
      const tap = owner === undefined ? {} : { tap: place.tap }
      const nic: Nic = { id: `nic${index}`, mac, mtu, taps: made.taps, ...tap, vhosts }
      return { nic, tapMac: made.mac }
    } catch (error) {
      closeAll(vhosts)
      throw error
    }
  })
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd)
}

/** @throws KataError NETNS_INVALID, NETNS_HOST: the host's own network must never be redirected into a guest. */
function openPodNetns(path: string): Netns {
  const own = openOwnNetns()
  own.close()
  const netns = enter(path, () => openNetns(path))
  if (netns.identity !== own.identity) return netns
  netns.close()
  throw new KataError('NETNS_HOST', { how: `${path} is the network namespace of the host` })
}

function enter<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    if (cause instanceof KataError && !(cause instanceof SyscallError)) throw cause
    throw new KataError('NETNS_INVALID', { path, reason: describeError(cause) }, { cause })
  }
}
