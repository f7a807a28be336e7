/**
 * Keys that limit what the machine's disks and network cards move. Those of disks have no annotation: it would be longer than
 * Kubernetes lets a name be.
 */
import { type Key, keysOf } from '../key-spec.ts'
import { integer, type ValueType } from '../value-types.ts'

export interface LimitFields {
  /** For each disk, bits per second; 0: no limit. */
  readonly diskRateLimiterBwMaxRate: number
  /** Bits that are free of it once. */
  readonly diskRateLimiterBwOneTimeBurst: number
  /** For each disk, operations per second; 0: no limit. */
  readonly diskRateLimiterOpsMaxRate: number
  /** Operations that are free of it once. */
  readonly diskRateLimiterOpsOneTimeBurst: number
  /** For each network interface, bits per second; 0: no limit. */
  readonly rxRateLimiterMaxRate: number
  readonly txRateLimiterMaxRate: number
}

const key = keysOf('hypervisor')

/** The most that QEMU counts to: 10^15 operations, and as many bytes. */
const most = 1e15

/** Below a byte each second a limit would be none. */
const bits: ValueType<number> = integer(
  0,
  most,
  ' bits per second; 0 for no limit, else at least 8',
  (value) => value === 0 || value >= 8,
)
const burstBits = integer(0, most, ' bits')
const operations = integer(0, most, ' operations per second; 0 for no limit')
const burstOperations = integer(0, most, ' operations')

export const limitKeys = (): readonly Key[] => [
  key(
    'disk_rate_limiter_bw_max_rate',
    'diskRateLimiterBwMaxRate',
    bits,
    0,
    'Limit for reads and writes of each disk together, in bits per second (in Kata for Cloud Hypervisor and Firecracker only). 0 means no limit. A share (virtio-fs) is not a disk.',
  ),
  key(
    'disk_rate_limiter_bw_one_time_burst',
    'diskRateLimiterBwOneTimeBurst',
    burstBits,
    0,
    'How much data of each disk is initially exempt from `disk_rate_limiter_bw_max_rate`, once, in bits.',
    { optional: true },
  ),
  key(
    'disk_rate_limiter_ops_max_rate',
    'diskRateLimiterOpsMaxRate',
    operations,
    0,
    'Limit for the number of reads and writes of each disk together, per second. 0 means no limit.',
  ),
  key(
    'disk_rate_limiter_ops_one_time_burst',
    'diskRateLimiterOpsOneTimeBurst',
    burstOperations,
    0,
    'How many reads and writes of each disk are initially exempt from `disk_rate_limiter_ops_max_rate`, once.',
    { optional: true },
  ),
  key(
    'rx_rate_limiter_max_rate',
    'rxRateLimiterMaxRate',
    bits,
    0,
    "Limit for what the machine receives on each network interface, in bits per second: a token bucket in the pod's network namespace, with every VMM. 0 means no limit.",
    { annotation: 'rx_rate_limiter_max_rate', example: '100000000' },
  ),
  key(
    'tx_rate_limiter_max_rate',
    'txRateLimiterMaxRate',
    bits,
    0,
    'The same limit for what the machine sends.',
    {
      annotation: 'tx_rate_limiter_max_rate',
      example: '100000000',
    },
  ),
]
