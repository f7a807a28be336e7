/**
 * Keys that limit what the machine's disks and network cards move. Those of disks have no annotation: it would be longer than
 * Kubernetes lets a name be.
 */
import { keysOf } from '../key-spec.ts'
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

export const limitKeys = [
  key(
    'disk_rate_limiter_bw_max_rate',
    'diskRateLimiterBwMaxRate',
    bits,
    0,
    'The most that the guest reads from and writes to each of its disks together, in bits per second (Kata has it for Cloud Hypervisor and Firecracker). 0 means no limit. A share (virtio-fs) is no disk.',
  ),
  key(
    'disk_rate_limiter_bw_one_time_burst',
    'diskRateLimiterBwOneTimeBurst',
    burstBits,
    0,
    'How much of a disk is free of `disk_rate_limiter_bw_max_rate` once, at the beginning, in bits.',
    { optional: true },
  ),
  key(
    'disk_rate_limiter_ops_max_rate',
    'diskRateLimiterOpsMaxRate',
    operations,
    0,
    'The most reads and writes together on each disk, per second. 0 means no limit.',
  ),
  key(
    'disk_rate_limiter_ops_one_time_burst',
    'diskRateLimiterOpsOneTimeBurst',
    burstOperations,
    0,
    'How many reads and writes of a disk are free of `disk_rate_limiter_ops_max_rate` once, at the beginning.',
    { optional: true },
  ),
  key(
    'rx_rate_limiter_max_rate',
    'rxRateLimiterMaxRate',
    bits,
    0,
    "The most that the machine receives by each of its network interfaces, in bits per second: a token bucket in the pod's network namespace, with every VMM. 0 means no limit.",
    { annotation: 'rx_rate_limiter_max_rate', example: '100000000' },
  ),
  key('tx_rate_limiter_max_rate', 'txRateLimiterMaxRate', bits, 0, 'The same for what it sends.', {
    annotation: 'tx_rate_limiter_max_rate',
    example: '100000000',
  }),
]
