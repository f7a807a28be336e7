import { expect, test } from 'bun:test'
import {
  aioSyscalls,
  baseSyscalls,
  directorySyscalls,
  processSyscalls,
  treeSyscalls,
} from './base-syscalls.ts'
import { syscallNumbers } from './syscall-numbers.ts'

test('every call that a jail allows has a number', () => {
  const numbers = syscallNumbers()
  const named = [...baseSyscalls, ...aioSyscalls, ...directorySyscalls, ...processSyscalls, ...treeSyscalls]
  expect(named.filter((name) => !Object.hasOwn(numbers, name))).toEqual([])
})
