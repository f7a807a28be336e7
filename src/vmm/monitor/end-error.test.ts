import { expect, test } from 'bun:test'
import type { VmEnd } from '../vmm.ts'
import { endSentence, guestSilentError, vmEndError } from './end-error.ts'

const end = (more: Partial<VmEnd>): VmEnd => ({ reason: 'exited', consoleTail: '', logTail: '', ...more })

test('a panic is told by its first line, not by the registers that follow', () => {
  const consoleTail = `noise\n[ 1.0] Kernel panic - not syncing: no init\n${'R10: 00 R11: 00\n'.repeat(100)}`
  const error = vmEndError(end({ reason: 'guest-panicked', consoleTail }), 'pod', '/usr/bin/vmm')
  expect(error.code).toBe('VMM_GUEST_PANICKED')
  expect(error.message).toContain('panicked: Kernel panic - not syncing: no init')
})

test('what the first process said last goes before the panic that came of it', () => {
  const told = (console: string) =>
    vmEndError(end({ reason: 'guest-panicked', consoleTail: console }), 'pod', '/usr/bin/vmm').message
  const panic = '[ 1.0] Kernel panic - not syncing: Attempted to kill init!'
  expect(told(`noise\nkata-agent cannot go on: no disk\n${panic}\n`)).toContain(
    'panicked: kata-agent cannot go on: no disk\nKernel panic - not syncing',
  )
  expect(told(`kata-agent ready\n[ 0.9] BUG: bad\n${panic}\n`)).toContain('panicked: Kernel panic')
})

test.each([
  ['shutdown', 'VMM_GUEST_SHUT_DOWN', 'console says'],
  ['reset', 'VMM_GUEST_SHUT_DOWN', 'reset itself: console says'],
  ['internal-error', 'VMM_INTERNAL_ERROR', 'log says'],
  ['exited', 'VMM_EXITED', 'log says'],
] as const)('%s', (reason, code, tail) => {
  const error = vmEndError(
    end({ reason, consoleTail: 'console says', logTail: 'log says' }),
    'pod',
    '/usr/bin/vmm',
  )
  expect(error.code).toBe(code)
  expect(error.message).toContain(tail)
})

test.each([
  ['shutdown', 'its guest switched itself off'],
  ['reset', 'its guest reset itself'],
  ['internal-error', 'the VMM stopped its guest with an internal error'],
  ['guest-panicked', 'its guest kernel panicked: Kernel panic - not syncing: no init'],
  ['exited', 'the VMM ended (exit code 148)'],
] as const)('as the cause of something else, %s is %s', (reason, says) => {
  const consoleTail = '[ 1.0] Kernel panic - not syncing: no init\nR10: 00 R11: 00\n'
  expect(endSentence(end({ reason, consoleTail, exit: { code: 148, signal: null } }))).toBe(says)
})

test('names the signal that ended the VMM', () => {
  const error = vmEndError(end({ exit: { code: null, signal: 'SIGKILL' } }), 'pod', '/usr/bin/vmm')
  expect(error.message).toContain('ended (SIGKILL): (it said nothing)')
})

test('a silent guest is quoted, with what it ran with, and nobody is sent to emulation', () => {
  const choice = { accelerator: 'tcg', reason: '/dev/kvm does not exist' } as const
  const { message } = guestSilentError('pod', 30, choice, 'loading\n')
  expect(message).toContain(
    'the guest of sandbox pod, which ran with tcg (/dev/kvm does not exist), said nothing within 30 s; its console ends with: loading.',
  )
  expect(message).not.toContain('accelerator = "tcg"')
})
