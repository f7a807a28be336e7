import { expect, test } from 'bun:test'
import { mergeEnv } from './env.ts'

test('options win over the base and keep its order', () => {
  expect(mergeEnv(['PATH=/bin', 'A=1'], ['A=2', 'B=x=y', 'C='], {})).toEqual([
    'PATH=/bin',
    'A=2',
    'B=x=y',
    'C=',
  ])
})

test('a bare name takes the value of the caller, or nothing', () => {
  expect(mergeEnv([], ['HOME', 'UNSET'], { HOME: '/root' })).toEqual(['HOME=/root'])
})

test.each(['=x', '', 'A=\0'])('refuses %p', (option) => {
  expect(() => mergeEnv([], [option], {})).toThrow(/^\[OPTION_INVALID\]/)
})
