import { expect, test } from 'bun:test'
import { parseRestart } from './restart.ts'

test('a policy, and a bound for on-failure', () => {
  expect(parseRestart('always')).toEqual({ name: 'always', most: 0 })
  expect(parseRestart('on-failure')).toEqual({ name: 'on-failure', most: 0 })
  expect(parseRestart('on-failure:5')).toEqual({ name: 'on-failure', most: 5 })
})

test('anything else is refused', () => {
  for (const text of ['', 'sometimes', 'always:3', 'on-failure:', 'on-failure:-1', 'on-failure:1:2'])
    expect(() => parseRestart(text)).toThrow('[OPTION_INVALID]')
})
