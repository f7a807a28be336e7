/** What the compiler takes for the fields of an error. Each `@ts-expect-error` fails the type check when the line compiles. */
import { expect, test } from 'bun:test'
import { type ErrorCode, KataError, type KataError as KataErrorType } from '../errors.ts'

const path = '/x'
const reason = 'r'

/** Type checks only: a body that is never run. */
const typeChecked = (_body: () => unknown) => expect(true).toBe(true)

test('the fields of a code are those in its sentence and in its remedy, no less and no more', () => {
  typeChecked(() => [
    new KataError('NETNS_INVALID', { path, reason }),
    new KataError('NETNS_INVALID', { path, reason }, { cause: 1 }),
    // @ts-expect-error the sentence names the reason
    new KataError('NETNS_INVALID', { path }),
    // @ts-expect-error there are fields
    new KataError('NETNS_INVALID'),
    // @ts-expect-error a misspelt name
    new KataError('NETNS_INVALID', { paht: path, reason }),
    // @ts-expect-error one too many
    new KataError('NETNS_INVALID', { path, reason, container: 'c' }),
    // @ts-expect-error a field is text, a number or a truth value
    new KataError('NETNS_INVALID', { path, reason: ['r'] }),
    // @ts-expect-error there is no such code
    new KataError('NO_SUCH_CODE', { path }),
    // @ts-expect-error only the remedy names `hint`
    new KataError('SYSCALL_FAILED', { call: 'c', errno: 'e' }),
    new KataError('SYSCALL_FAILED', { call: 'c', errno: 'e', hint: 'h' }),
    // A quoted field is one too.
    new KataError('UID_RANGE_INVALID', { base: 1, blocks: 2 }),
  ])
})

test('a code without fields takes none', () => {
  typeChecked(() => [
    new KataError('NOT_A_TERMINAL'),
    new KataError('NOT_A_TERMINAL', {}, { cause: 1 }),
    // @ts-expect-error it has no fields
    new KataError('NOT_A_TERMINAL', { path }),
  ])
})

test('fields of a spread are looked at too', () => {
  const right = { path, reason }
  const short = { path }
  const long = { path, reason, container: 'c' }
  const loose: Readonly<Record<string, string>> = right
  typeChecked(() => [
    new KataError('NETNS_INVALID', right),
    new KataError('NETNS_INVALID', { ...short, reason }),
    // @ts-expect-error `reason` is missing
    new KataError('NETNS_INVALID', { ...short }),
    // @ts-expect-error `container` is a field of other codes
    new KataError('NETNS_INVALID', { ...long }),
    // @ts-expect-error as above, without a spread
    new KataError('NETNS_INVALID', long),
    // @ts-expect-error nobody knows what is in it
    new KataError('NETNS_INVALID', loose),
  ])
})

test('a code that is one of several takes the fields of all', () => {
  const code = 'COMMAND_NOT_FOUND' as 'COMMAND_NOT_FOUND' | 'SYSCTL_REFUSED'
  const any = 'NETNS_INVALID' as ErrorCode
  typeChecked(() => [
    new KataError(code, { command: 'c', reason }),
    // @ts-expect-error the command may be needed
    new KataError(code, { reason }),
    // @ts-expect-error of a code that is not known, no object has all fields
    new KataError(any, { path, reason }),
  ])
})

test('an error found by instanceof has a code of the catalogue', () => {
  const thrown: unknown = new KataError('NETNS_INVALID', { path, reason })
  if (!(thrown instanceof KataError)) throw new Error('it is one')
  const code: ErrorCode = thrown.code
  const one: KataErrorType<'NETNS_INVALID'> = new KataError('NETNS_INVALID', { path, reason })
  const all: KataErrorType = one
  expect([code, all.code]).toEqual(['NETNS_INVALID', 'NETNS_INVALID'])
  // @ts-expect-error there is no such code
  expect(thrown.code === 'NO_SUCH_CODE').toBe(false)
})
