/** For tests: disks without a limit. */
import type { LimitConfig } from './disk-limit.ts'

export const noDiskLimits: LimitConfig = {
  diskRateLimiterBwMaxRate: 0,
  diskRateLimiterBwOneTimeBurst: 0,
  diskRateLimiterOpsMaxRate: 0,
  diskRateLimiterOpsOneTimeBurst: 0,
}
