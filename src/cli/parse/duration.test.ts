import { expect, test } from 'bun:test'
import { parseDuration } from './duration.ts'

test('a duration as Go writes it', () => {
  expect(parseDuration('1m30s', '--x', 0)).toBe(90_000)
  expect(parseDuration('0', '--x', 0)).toBe(0)
})

test('a long text that is none is refused at once', () => {
  // From each digit to the end, it would be minutes.
  expect(() => parseDuration('1'.repeat(1 << 20), '--x', 0)).toThrow('[OPTION_INVALID] --x')
})
