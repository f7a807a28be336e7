import { expect, test } from 'bun:test'
import { byteSize } from './size.ts'

test.each([
  [0, '0B'],
  [999, '999B'],
  [1000, '1.0KiB'],
  [64 * 1024, '64.0KiB'],
  [512 * 2 ** 20, '512MiB'],
  [1.5 * 2 ** 30, '1.5GiB'],
])('%d is %s', (bytes, text) => {
  expect(byteSize(bytes)).toBe(text)
})
