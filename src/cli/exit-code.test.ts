import { expect, test } from 'bun:test'
import { errorFromInfo, errorInfoOf } from '../errors/told.ts'
import { KataError } from '../errors.ts'
import { Interrupted } from './client/signals.ts'
import { exitCodeOf } from './exit-code.ts'

const notFound = 'executable file `x` not found in $PATH: No such file or directory'

const told: [number, KataError][] = [
  [127, new KataError('COMMAND_NOT_FOUND', { command: 'x', reason: 'r' })],
  [126, new KataError('COMMAND_NOT_EXECUTABLE', { command: 'x', reason: 'r' })],
  [127, new KataError('WORKDIR_INVALID', { command: 'x', reason: 'r' })],
  [125, new KataError('SYSCTL_REFUSED', { reason: 'r' })],
  [125, new KataError('AGENT_UNREACHABLE', { endpoint: 'e', seconds: 1, reason: notFound })],
  [
    125,
    new KataError('SHIM_CALL_FAILED', { method: 'Start', id: 'c', status: 'internal', reason: notFound }),
  ],
]

test.each(told.map(([code, error]) => [code, error.code, error] as const))(
  '%d for %s, as the shim tells it',
  (code, _, error) => {
    expect(exitCodeOf(errorFromInfo(errorInfoOf(error)))).toBe(code)
  },
)

test('interrupts, a lost shim and everything else', () => {
  expect(exitCodeOf(new Interrupted('SIGINT'))).toBe(130)
  expect(exitCodeOf(new KataError('SHIM_DIED', { id: 'c' }))).toBe(137)
  expect(exitCodeOf(new KataError('NOT_A_TERMINAL'))).toBe(125)
  expect(exitCodeOf(new TypeError('x'))).toBe(125)
})
