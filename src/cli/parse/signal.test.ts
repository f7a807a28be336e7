import { expect, test } from 'bun:test'
import { parseSignal } from './signal.ts'

test.each([
  ['TERM', 15],
  ['SIGKILL', 9],
  ['sigint', 2],
  ['64', 64],
])('%s is %d', (text, number) => {
  expect(parseSignal(text)).toBe(number)
})

test.each(['', '0', '65', 'NOPE', '-9', '9x'])('refuses %p', (text) => {
  expect(() => parseSignal(text)).toThrow(/^\[OPTION_INVALID\].*--signal/)
})
