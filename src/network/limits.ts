/**
 * Limits of what an interface moves. A bucket stands at the way out of the tap for what the machine receives, and at that of the pod's
 * interface for what it sends: everything is redirected from the one to the other, so both directions leave by one of the two. Nothing
 * else is needed for either (Kata has a second device, ifb, for what is sent), it is the same for all VMMs, and the guest cannot reach it.
 */
import { KataError } from '../errors.ts'
import type { NetlinkClient } from '../netlink/client.ts'
import { NetlinkError, tolerate } from '../netlink/error.ts'
import { addTokenBucket, deleteTokenBucket, type TokenBucket } from '../netlink/token-bucket.ts'

/** Bits per second as the machine sees it; 0 for no limit. */
export interface NetworkLimits {
  readonly receive: number
  readonly send: number
}

export const noLimits: NetworkLimits = { receive: 0, send: 0 }

/** Ethernet's header with a tag. */
const headerBytes = 18
/** Packets that always fit: into a burst, and into what waits. */
const [leastBurst, leastQueue] = [2, 32]
/** How much may leave at once, and how much may wait, as parts of a second's worth. */
const [burstPart, queuePart] = [1 / 100, 1 / 10]

export function bucketFor(bitsPerSecond: number, mtu: number): TokenBucket {
  const bytesPerSecond = Math.floor(bitsPerSecond / 8)
  const packet = mtu + headerBytes
  const burst = Math.max(leastBurst * packet, Math.ceil(bytesPerSecond * burstPart))
  return {
    bytesPerSecond,
    burst,
    queue: Math.max(leastQueue * packet, Math.ceil(bytesPerSecond * queuePart)),
  }
}

export interface LimitedPath {
  /** For messages. */
  readonly name: string
  /** Indexes of the pod's interface and of its tap. */
  readonly link: number
  readonly tap: number
  /** Bytes. */
  readonly mtu: number
}

/** @throws KataError NETWORK_LIMIT_FAILED. */
export function limitPath(client: NetlinkClient, path: LimitedPath, { receive, send }: NetworkLimits): void {
  const { name, link, tap, mtu } = path
  for (const [at, rate] of [
    [tap, receive],
    [link, send],
  ] as const) {
    if (rate === 0) continue
    try {
      addTokenBucket(client, at, bucketFor(rate, mtu))
    } catch (cause) {
      if (!(cause instanceof NetlinkError)) throw cause
      throw new KataError('NETWORK_LIMIT_FAILED', { name, rate, reason: cause.message }, { cause })
    }
  }
}

/** Takes the limit of a pod's interface away; that of the tap goes with the tap. */
export function unlimit(client: NetlinkClient, link: number): void {
  tolerate(['ENODEV', 'ENOENT', 'EINVAL'], () => deleteTokenBucket(client, link))
}
