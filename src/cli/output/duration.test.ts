import { expect, test } from 'bun:test'
import { longDuration, shortDuration } from './duration.ts'

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

test.each([
  [0, 'Less than a second'],
  [1000, '1 second'],
  [59_999, '59 seconds'],
  [60_000, 'About a minute'],
  [150_000, '2 minutes'],
  [3_700_000, 'About an hour'],
  [3 * 3_600_000, '3 hours'],
  [36 * 3_600_000, '36 hours'],
  [50 * 3_600_000, '2 days'],
  [15 * 86_400_000, '2 weeks'],
  [800 * 86_400_000, '2 years'],
])('%d ms is %s', (milliseconds, text) => {
  expect(longDuration(milliseconds)).toBe(text)
})
