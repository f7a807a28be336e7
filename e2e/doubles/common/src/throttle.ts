/** Limits of disks, by QEMU's own throttle. */
import type { Qmp } from './qmp.ts'

interface TokenBucket {
  readonly size: number
  readonly refill_time: number
}

/** As both APIs have it. */
export interface RateLimiter {
  readonly bandwidth?: TokenBucket | null
  readonly ops?: TokenBucket | null
}

/** Slows the device that QEMU knows by this id or path. What a full bucket lets through at once is less than with the real program. */
export async function throttle(qmp: Qmp, id: string, limiter: RateLimiter | undefined): Promise<void> {
  if (limiter === undefined) return
  const { bandwidth, ops } = limiter
  const none = { bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0 }
  await qmp.execute('block_set_io_throttle', {
    ...none,
    id,
    bps: perSecond(bandwidth),
    iops: perSecond(ops),
  })
}

/** 0 is no limit to QEMU. */
const perSecond = (bucket: TokenBucket | null | undefined): number =>
  bucket ? Math.max(1, Math.floor((bucket.size * 1000) / bucket.refill_time)) : 0
