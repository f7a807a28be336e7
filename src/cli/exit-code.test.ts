import { expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { Interrupted } from './client/signals.ts'
import { ShimError } from './client/task.ts'
import { asCommandError, exitCodeOf } from './exit-code.ts'

const answered = (text: string) => new ShimError(new TtrpcError('internal', text), 'Start', 'c')

test.each([
  [127, 'crun: executable file `no-such-command` not found in $PATH: No such file or directory'],
  [127, 'executable file `/bin/nope` not found: No such file or directory'],
  [126, 'crun: open executable: Permission denied'],
  [126, 'exec /etc: Is a directory'],
  [126, 'the path `/etc/passwd` exists but it is not executable: Operation not permitted'],
  [126, 'crun: exec `/script`: Exec format error'],
  [125, 'crun: creating cgroup: Permission denied'],
  [125, '[AGENT_UNREACHABLE] the guest agent did not answer. Look.'],
])('%d for %p', (code, text) => {
  expect(exitCodeOf(asCommandError(answered(text), 'cmd'))).toBe(code)
})

test('an error of the command names it', () => {
  const error = asCommandError(answered('executable file `x` not found'), 'x') as Error
  expect(error.message).toStartWith('[COMMAND_NOT_FOUND] there is no command x')
})

test('interrupts, a lost shim and everything else', () => {
  expect(exitCodeOf(new Interrupted('SIGINT'))).toBe(130)
  expect(exitCodeOf(new KataError('SHIM_DIED', { id: 'c' }))).toBe(137)
  expect(exitCodeOf(new KataError('NOT_A_TERMINAL'))).toBe(125)
  expect(exitCodeOf(new TypeError('x'))).toBe(125)
})
