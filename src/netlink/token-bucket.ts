/** A token bucket (tc-tbf(8), net/sched/sch_tbf.c) at the way out of a link: what exceeds it waits in a queue, and is dropped when that is full. */
import { concat, cstring, structure, uint32 } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { attribute, flag } from './message.ts'
import { queueAttribute, queueMessage, trafficInfo } from './traffic.ts'

/** The way out. */
const rootParent = 0xffff_ffff
/** Ours alone: by it nobody else's queue is ever deleted. */
const handle = 0x6b74_0000
const bucketAttribute = { parameters: 1, rate64: 4, burst: 6 } as const
const parameterBytes = 36
const ethernet = 1
const mostUint32 = 0xffff_ffff

export interface TokenBucket {
  readonly bytesPerSecond: number
  /** Bytes that may leave at once; no packet is longer. */
  readonly burst: number
  /** Bytes that may wait. */
  readonly queue: number
}

/** @throws NetlinkError ENOENT when the kernel has no such queue, EEXIST when somebody has put a queue there. */
export function addTokenBucket(client: NetlinkClient, link: number, bucket: TokenBucket): void {
  const { bytesPerSecond, burst } = bucket
  const rate64 = structure(8, (to) => to.setBigUint64(0, BigInt(bytesPerSecond), true))
  const body = concat([
    trafficInfo(link, handle, rootParent),
    attribute(queueAttribute.kind, cstring('tbf')),
    attribute(
      queueAttribute.options,
      attribute(bucketAttribute.parameters, parameters(bucket)),
      attribute(bucketAttribute.rate64, rate64),
      attribute(bucketAttribute.burst, uint32(Math.min(burst, mostUint32))),
    ),
  ])
  const what = `limit link ${link} to ${bytesPerSecond} bytes per second`
  client.change(what, queueMessage.newQueue, body, flag.create | flag.exclusive)
}

/** Deletes it with all that waits. @throws NetlinkError ENOENT, EINVAL (there is none of ours), ENODEV. */
export function deleteTokenBucket(client: NetlinkClient, link: number): void {
  const body = concat([trafficInfo(link, handle, rootParent), attribute(queueAttribute.kind, cstring('tbf'))])
  client.change(`delete the limit of link ${link}`, queueMessage.deleteQueue, body)
}

/** struct tc_tbf_qopt: two of struct tc_ratespec (12 bytes), the second for a peak rate that nobody asks for; limit, buffer, mtu. */
function parameters({ bytesPerSecond, queue }: TokenBucket): Uint8Array {
  return structure(parameterBytes, (to) => {
    to.setUint8(1, ethernet)
    to.setUint32(8, Math.min(bytesPerSecond, mostUint32), true)
    to.setUint32(24, Math.min(queue, mostUint32), true)
  })
}
