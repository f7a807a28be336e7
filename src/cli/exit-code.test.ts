import { expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { Interrupted } from './client/signals.ts'
import { ShimError } from './client/task.ts'
import { exitCodeOf } from './exit-code.ts'

test.each([
  [127, '[COMMAND_NOT_FOUND] x: executable file not found in the container (r). Check.'],
  [126, '[COMMAND_NOT_EXECUTABLE] x in the container cannot be executed. Check.'],
  [127, '[WORKDIR_INVALID] the working directory of x cannot be entered. Name.'],
  [125, '[SYSCTL_REFUSED] the guest does not take a kernel parameter. Check.'],
  [125, '[AGENT_UNREACHABLE] the guest agent did not answer: executable file `x` not found. Look.'],
  [125, 'executable file `x` not found in $PATH: No such file or directory'],
])('%d for the answer %p', (code, text) => {
  expect(exitCodeOf(new ShimError(new TtrpcError('internal', text), 'Start', 'c'))).toBe(code)
})

test('interrupts, a lost shim and everything else', () => {
  expect(exitCodeOf(new Interrupted('SIGINT'))).toBe(130)
  expect(exitCodeOf(new KataError('SHIM_DIED', { id: 'c' }))).toBe(137)
  expect(exitCodeOf(new KataError('NOT_A_TERMINAL'))).toBe(125)
  expect(exitCodeOf(new TypeError('x'))).toBe(125)
})
