import { expect, test } from 'bun:test'
import { parse } from './storage.ts'

const said = 'create 10.5\nstat 20.0\nread 30.0\nunlink 40.0\nfsync 5.0\n'

test('what the program said, beside lines of others', () => {
  expect(parse(`warning: TCG\n${said}`)).toEqual({ create: 10.5, stat: 20, read: 30, unlink: 40, fsync: 5 })
})

test('a task that is missing is an error', () => {
  expect(() => parse(said.replace('fsync 5.0\n', 'failed: fsync\n'))).toThrow('no fsync')
})
