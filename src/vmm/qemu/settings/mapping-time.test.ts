import { expect, test } from 'bun:test'
import { mappingMs } from './mapping-time.ts'

test.each([
  ['what is usual is the least', 1024, 10_000, 0, 12_000],
  ['the configured time takes its place when it is longer', 1024, 10_000, 60, 62_000],
  ['and is no reason for less', 1024, 30_000, 10, 32_000],
  ['3 GiB', 3072, 10_000, 60, 66_000],
  ['half a TiB', 512 * 1024, 30_000, 45, 1_069_000],
])('%s', (_, memoryMiB, usualMs, configured, ms) => {
  expect(mappingMs(memoryMiB, usualMs, configured)).toBe(ms)
})
