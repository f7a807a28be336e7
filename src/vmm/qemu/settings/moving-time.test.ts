import { expect, test } from 'bun:test'
import { movingMs } from './moving-time.ts'

test.each([
  ['a small machine', 256, 125_000],
  ['16 GiB', 16 * 1024, 440_000],
  ['half a TiB', 512 * 1024, 10_360_000],
])('%s', (_, memoryMiB, ms) => {
  expect(movingMs(memoryMiB)).toBe(ms)
})
