/** What each disk of a machine may move, from the configuration, and in the words of the VMMs that speak of token buckets. */
import type { HypervisorConfig } from '../../config/config.ts'

export type LimitConfig = Pick<
  HypervisorConfig,
  | 'diskRateLimiterBwMaxRate'
  | 'diskRateLimiterBwOneTimeBurst'
  | 'diskRateLimiterOpsMaxRate'
  | 'diskRateLimiterOpsOneTimeBurst'
>

export interface Rate {
  /** Above 0. */
  readonly perSecond: number
  /** What is free of it once, at the beginning; 0 for nothing. */
  readonly oneTimeBurst: number
}

/** At least one of the two is there. */
export interface DiskLimit {
  readonly bytes?: Rate
  /** Reads and writes. */
  readonly operations?: Rate
}

/** Undefined for disks without a limit. */
export function diskLimit(config: LimitConfig): DiskLimit | undefined {
  const bytes = rate(config.diskRateLimiterBwMaxRate / 8, config.diskRateLimiterBwOneTimeBurst / 8)
  const operations = rate(config.diskRateLimiterOpsMaxRate, config.diskRateLimiterOpsOneTimeBurst)
  if (bytes === undefined && operations === undefined) return undefined
  return { ...(bytes && { bytes }), ...(operations && { operations }) }
}

function rate(perSecond: number, oneTimeBurst: number): Rate | undefined {
  if (perSecond === 0) return undefined
  return { perSecond: Math.floor(perSecond), oneTimeBurst: Math.floor(oneTimeBurst) }
}

/** `TokenBucket` of the APIs of Cloud Hypervisor and Firecracker: `size` tokens come back every `refill_time` milliseconds. */
export interface TokenBucket {
  readonly size: number
  readonly refill_time: number
  readonly one_time_burst?: number
}

/** `RateLimiterConfig` of Cloud Hypervisor, `RateLimiter` of Firecracker. */
export interface RateLimiter {
  readonly bandwidth?: TokenBucket
  readonly ops?: TokenBucket
}

/** A second's worth: what was not used in a second can be used at once in the next, and no more. */
const refillMs = 1000

/** {@link diskLimit} in these words. */
export function configuredLimiter(config: LimitConfig): RateLimiter | undefined {
  const { bytes, operations } = diskLimit(config) ?? {}
  if (bytes === undefined && operations === undefined) return undefined
  return {
    ...(bytes && { bandwidth: bucket(bytes) }),
    ...(operations && { ops: bucket(operations) }),
  }
}

function bucket({ perSecond, oneTimeBurst }: Rate): TokenBucket {
  const burst = oneTimeBurst === 0 ? {} : { one_time_burst: oneTimeBurst }
  return { size: perSecond, refill_time: refillMs, ...burst }
}
