import { describe, expect, test } from 'bun:test'
import type { SyscallPolicy } from '../jail/launch-spec.ts'
import { baseSyscalls, processSyscalls } from './base-syscalls.ts'
import { answersTo, errnoOf as call, forbiddenCalls } from './testing.ts'

const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97]
const isRoot = process.getuid?.() === 0
const base: SyscallPolicy = { allowed: baseSyscalls }

describe('the filter of a jail', () => {
  test.each(forbiddenCalls)('has no $name', (forbidden) => {
    expect(answersTo(forbidden, base).filtered).toBe(forbidden.errno)
  })

  // The control needs root: nobody else may do this without the filter either.
  test.skipIf(!isRoot)('has no setuid', () => {
    const setuid = '105, 0'
    expect({ filtered: call(setuid, base), free: call(setuid) }).toEqual({ filtered: ENOSYS, free: 0 })
  })

  test('has pairs of unix sockets alone: of no other family is even the code reached', () => {
    const pair = (family: number) => `53, ${family}, 1, 0, $b`
    expect(call(pair(1), base)).toBe(0)
    for (const family of [2, 16, 17, 40]) expect(call(pair(family), base)).toBe(EAFNOSUPPORT)
    // Control: outside it is the family itself that says no.
    expect(call(pair(2))).not.toBe(EAFNOSUPPORT)
  })

  test('gives processes and internet sockets to a program that is to have them', () => {
    const more: SyscallPolicy = {
      allowed: [...baseSyscalls, ...processSyscalls],
      processes: true,
      inet: true,
    }
    expect(
      ['56, 17, 0, 0, 0, 0', '57', '41, 2, 1, 0', '41, 10, 1, 0'].map((text) => call(text, more)),
    ).toEqual([0, 0, 0, 0])
    expect(call('56, 0x10000011, 0, 0, 0, 0', more)).toBe(EPERM)
    expect(call('41, 16, 3, 0', more)).toBe(EAFNOSUPPORT)
  })
})
