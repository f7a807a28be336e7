import { expect, test } from 'bun:test'
import { SyscallError } from '../libc.ts'
import { isDiskFull } from './disk-full.ts'

test.each([
  ['ENOSPC', true],
  ['EDQUOT', true],
  ['EIO', false],
])('%s, whoever says it', (errno, isFull) => {
  expect(isDiskFull(Object.assign(new Error('write'), { code: errno }))).toBe(isFull)
  expect(isDiskFull(new SyscallError('write', errno))).toBe(isFull)
})

test('an error without a number is something else', () => {
  expect(isDiskFull(new Error('ENOSPC'))).toBe(false)
})
