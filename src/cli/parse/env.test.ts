import { expect, test } from 'bun:test'
import { mergeEnv } from './env.ts'

test('options win over the base and keep its order', () => {
  expect(
    mergeEnv(['PATH=/bin', 'A=1'], { files: ['A=3', 'B='], options: ['A=2', 'B=x=y', 'C='] }, {}),
  ).toEqual(['PATH=/bin', 'A=2', 'B=x=y', 'C='])
})

test('a bare name takes the value of the caller', () => {
  for (const where of ['files', 'options'])
    expect(mergeEnv(['HOME=/'], { [where]: ['HOME'] }, { HOME: '/root' })).toEqual(['HOME=/root'])
})

test('one that the caller does not have removes the variable, and in a file changes nothing', () => {
  expect(mergeEnv(['A=1', 'B=1'], { options: ['A', 'C', 'constructor'] }, {})).toEqual(['B=1'])
  expect(mergeEnv(['B=1'], { files: ['A=1'], options: ['A'] }, {})).toEqual(['B=1'])
  expect(mergeEnv(['A=1', 'B=1'], { files: ['A', 'C'] }, {})).toEqual(['A=1', 'B=1'])
})

test.each(['=x', '', 'A=\0'])('refuses %p', (option) => {
  expect(() => mergeEnv([], { options: [option] }, {})).toThrow(/^\[OPTION_INVALID\]/)
})
