import { expect, test } from 'bun:test'
import { parseSignal } from './signal.ts'

test.each([
  ['TERM', 15],
  ['SIGKILL', 9],
  ['sigint', 2],
  ['64', 64],
  ['RTMIN', 34],
  ['SIGRTMIN+3', 37],
  ['RTMAX-1', 63],
])('%s is %d', (text, number) => {
  expect(parseSignal(text)).toBe(number)
})

test.each(['', '0', '65', 'NOPE', '-9', '9x', 'RTMIN-1', 'RTMAX+1', 'RT'])('refuses %p', (text) => {
  expect(() => parseSignal(text)).toThrow(/^\[OPTION_INVALID\].*--signal/)
})
