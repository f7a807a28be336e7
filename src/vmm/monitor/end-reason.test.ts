import { expect, test } from 'bun:test'
import type { VmEnd } from '../vmm.ts'
import { endReason } from './end-reason.ts'

const panic = '[ 1.0] Kernel panic - not syncing: no init\nR10: 00\n'
const fault = '[ERROR] Unexpected exit reason on vcpu run: Shutdown\n'
const code = (code: number) => ({ code, signal: null })
const end = (more: Partial<VmEnd>): VmEnd => ({ reason: 'exited', consoleTail: '', logTail: '', ...more })
const watch = { wasReset: false, faultSaid: /on vcpu run: Shutdown/ }

test.each([
  ['a reset is one', end({ reason: 'shutdown', exit: code(0) }), true, 'reset'],
  [
    'a panicked kernel resets',
    end({ reason: 'shutdown', exit: code(0), consoleTail: panic }),
    true,
    'guest-panicked',
  ],
  ['a power-off is one', end({ reason: 'shutdown', exit: code(0) }), false, 'shutdown'],
  [
    'a VMM takes the reset of a panic for an error',
    end({ exit: code(1), consoleTail: panic }),
    false,
    'guest-panicked',
  ],
  ['a VMM takes a reset for an error', end({ exit: code(1), logTail: fault }), false, 'reset'],
  ['an error is one', end({ exit: code(1), logTail: 'no memory' }), false, 'exited'],
  [
    'a VMM that was killed is that, whatever its guest said',
    end({ exit: { code: null, signal: 'SIGKILL' }, consoleTail: panic }),
    false,
    'exited',
  ],
] as const)('%s', (_, ended, wasReset, reason) => {
  expect(endReason(ended, { ...watch, wasReset })).toBe(reason)
})
