import { expect, test } from 'bun:test'
import { isEqual } from './is-equal.ts'

test.each([
  [1, 1],
  [
    [1, { a: [] }],
    [1, { a: [] }],
  ],
  [
    { a: 1, b: 'x' },
    { b: 'x', a: 1 },
  ],
  [undefined, undefined],
])('%j is %j', (one, other) => {
  expect(isEqual(one, other)).toBe(true)
})

test.each([
  [1, '1'],
  [[1], [1, undefined]],
  [{ a: undefined }, {}],
  [{}, { a: undefined }],
  [null, undefined],
  [{}, []],
  [0, false],
])('%p is not %p', (one, other) => {
  expect(isEqual(one, other)).toBe(false)
})
