import { expect, test } from 'bun:test'
import { defaultLogBounds, parseLogOptions } from './log-options.ts'

test('the bounds are docker’s, and the last one counts', () => {
  expect(parseLogOptions([])).toEqual(defaultLogBounds)
  expect(parseLogOptions(['max-size=1m', 'max-file=5', 'max-size=10m'])).toEqual({
    maxBytes: 10 * 2 ** 20,
    maxFiles: 5,
  })
})

test.each([
  'max-size=',
  'max-size=1k',
  'max-size=1m=5m',
  'max-size=-1',
  'max-file=0',
  'max-file=x',
  'tag=x',
  'max-size',
  '',
])('%j is refused', (option) => {
  expect(() => parseLogOptions([option])).toThrow('[OPTION_INVALID] --log-opt')
})
