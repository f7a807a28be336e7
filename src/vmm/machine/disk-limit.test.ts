import { expect, test } from 'bun:test'
import { noDiskLimits } from './disk-limit.double.ts'
import { configuredLimiter, diskLimit } from './disk-limit.ts'

test('no key asks for a limit: there is none, in any words', () => {
  expect(diskLimit(noDiskLimits)).toBeUndefined()
  expect(configuredLimiter(noDiskLimits)).toBeUndefined()
})

test('bits become whole bytes, operations stay', () => {
  const config = { ...noDiskLimits, diskRateLimiterBwMaxRate: 80_000_007, diskRateLimiterOpsMaxRate: 300 }
  expect(diskLimit(config)).toEqual({
    bytes: { perSecond: 10_000_000, oneTimeBurst: 0 },
    operations: { perSecond: 300, oneTimeBurst: 0 },
  })
  expect(configuredLimiter(config)).toEqual({
    bandwidth: { size: 10_000_000, refill_time: 1000 },
    ops: { size: 300, refill_time: 1000 },
  })
})

test('one limit comes without the other, and with what is free of it once', () => {
  const bits = { diskRateLimiterBwMaxRate: 8000, diskRateLimiterBwOneTimeBurst: 800 }
  expect(configuredLimiter({ ...noDiskLimits, ...bits })).toEqual({
    bandwidth: { size: 1000, refill_time: 1000, one_time_burst: 100 },
  })
  const operations = { diskRateLimiterOpsMaxRate: 9, diskRateLimiterOpsOneTimeBurst: 2 }
  expect(configuredLimiter({ ...noDiskLimits, ...operations })).toEqual({
    ops: { size: 9, refill_time: 1000, one_time_burst: 2 },
  })
})
