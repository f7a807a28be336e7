import { expect, test } from 'bun:test'
import { shortDuration } from './duration.ts'

test.each([
  [-5, '0s'],
  [999, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [3_600_000, '1h'],
  [90_000_000, '1d'],
])('%d ms is %s', (milliseconds, text) => {
  expect(shortDuration(milliseconds)).toBe(text)
})
