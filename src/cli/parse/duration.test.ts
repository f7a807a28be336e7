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

test('a duration without end is none, as JSON has no such number', () => {
  expect(() => parseDuration(`${'9'.repeat(400)}h`, '--x', 0)).toThrow('[OPTION_INVALID] --x')
  expect(() => parseDuration('9007199254740993ms', '--x', 0)).toThrow('[OPTION_INVALID] --x')
  expect(parseDuration('2562047h', '--x', 0)).toBe(2_562_047 * 3_600_000)
})
