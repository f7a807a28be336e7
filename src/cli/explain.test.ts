import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { createLogger } from '../log.ts'
import { Interrupted } from './client/signals.ts'
import { explain, tellError } from './explain.ts'

const thrown = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (error) {
    return error
  }
}

test.each([
  ['a coded one', new KataError('USAGE', { problem: 'so', command: 'x' }), '[USAGE] so. See `x --help`.'],
  ['an interruption', new Interrupted('SIGINT'), 'interrupted by SIGINT'],
  [
    'one of the system',
    thrown(() => readFileSync('/no/such')),
    '[FILE_FAILED] open /no/such failed with ENOENT.',
  ],
  [
    'one without a path',
    thrown(() => readFileSync('/proc')),
    '[FILE_FAILED] read of a file failed with EISDIR.',
  ],
  [
    'a mistake of ours',
    new TypeError('no function'),
    '[INTERNAL] kata-ts has an internal error: no function.',
  ],
])('%s', (_, error, text) => {
  expect(explain(error)).toStartWith(text)
})

test('a person is told the error, the log what led to it', () => {
  const told: string[] = []
  const logged: unknown[] = []
  const log = createLogger({ level: 'debug', sink: ({ fields }) => logged.push(fields) })
  const error = new KataError('NOT_ROOT', { what: 'x' }, { cause: new Error('inner') })
  tellError({ log, tell: (text) => told.push(text) }, error)
  expect(told).toEqual([error.message])
  expect(logged).toEqual([{ error: error.message, code: 'NOT_ROOT', causes: ['inner'] }])
})
