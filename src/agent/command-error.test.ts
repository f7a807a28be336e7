import { expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { asCommandError, commandCodes } from './command-error.ts'

test.each(commandCodes)('our agent says %s', (reason) => {
  const told = new TtrpcError('not_found', 'any words', { reason })
  expect(asCommandError(told, ['x', '-y'])).toMatchObject({ code: reason, fields: { command: 'x' } })
})

test.each([[[]], [['']]])('a command without a name is shown as such: %j', (args) => {
  const told = new TtrpcError('not_found', 'any words', { reason: 'COMMAND_NOT_FOUND' })
  expect((asCommandError(told, args) as KataError).message).toStartWith(
    '[COMMAND_NOT_FOUND] "": executable file not found in the container (any words).',
  )
})

test('of what Kata’s agent says, the backtrace is left out', () => {
  const words = 'Failed to exec: 0: the file nosuch was not found 1: <unknown> 2: <unknown>'
  const error = asCommandError(new TtrpcError('internal', words), ['nosuch']) as KataError
  expect(error.message).toStartWith(
    '[COMMAND_NOT_FOUND] nosuch: executable file not found in the container (the file nosuch was not found).',
  )
})

test.each([
  new TtrpcError('not_found', 'no container c'),
  new TtrpcError('permission_denied', 'CreateContainerRequest is blocked by policy'),
  new TtrpcError('internal', 'creating cgroup: No such file or directory'),
  new TtrpcError('internal', 'x', { reason: 'SOMETHING_ELSE' }),
  new KataError('AGENT_DIED', { endpoint: 'e', reason: 'the file x was not found' }),
])('%p is no fault of the command', (error) => {
  expect(asCommandError(error, ['x'])).toBe(error)
})

/** docker's client and daemon know 126 and 127 by these words alone (cli/command/container/run.go). */
test('the sentences have the words that docker looks for', () => {
  const of = (code: 'COMMAND_NOT_FOUND' | 'COMMAND_NOT_EXECUTABLE') =>
    new KataError(code, { command: 'x', reason: 'r' }).message
  expect(of('COMMAND_NOT_FOUND')).toContain('executable file not found')
  expect(of('COMMAND_NOT_EXECUTABLE')).toContain('permission denied')
})
