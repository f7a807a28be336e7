import { expect, test } from 'bun:test'
import { appendFileSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from './errors.ts'
import { boundedJsonLines, createLogger, jsonLines, type LogFields } from './log.ts'

/** The fields of the line that a logger makes of `fields`. */
function line(fields: LogFields): LogFields {
  const lines: LogFields[] = []
  createLogger({ sink: ({ fields }) => lines.push(fields) }).info('m', fields)
  return lines[0]!
}

test('of an error a line has the text, the code and the causes, nearest first', () => {
  const system = Object.assign(new Error('EACCES: open'), { code: 'EACCES' })
  const inner = new KataError(
    'SYSCALL_FAILED',
    { call: 'setns', errno: 'EINVAL', hint: 'ask.' },
    { cause: system },
  )
  const outer = new KataError('NETNS_INVALID', { path: '/x', reason: inner.message }, { cause: inner })
  expect(line({ id: 'c', error: outer })).toEqual({
    id: 'c',
    error: outer.message,
    code: 'NETNS_INVALID',
    causes: [inner.message, 'EACCES: open'],
  })
  expect(line({ error: system })).toEqual({ error: 'EACCES: open', code: 'EACCES' })
})

test.each([
  ['a text', 'gone', { error: 'gone' }],
  ['an error without words', new TypeError(), { error: 'TypeError' }],
  ['a cause that is no error', new Error('x', { cause: 7 }), { error: 'x', causes: ['7'] }],
  ['a number for a code', Object.assign(new Error('x'), { code: 20 }), { error: 'x' }],
])('%s', (_, error, expected) => expect(line({ error })).toEqual(expected))

test('an error that its cause told in the same words is told once', () => {
  const answer = new Error('[CODE] so.', { cause: new Error('why') })
  expect(line({ error: new Error('[CODE] so.', { cause: answer }) })).toMatchObject({ causes: ['why'] })
})

test('texts are bounded and have no control characters; a ring of causes ends', () => {
  const ring = new Error(`\u001b[31m\u009b${'r'.repeat(5000)}`)
  const next = new Error('next', { cause: ring })
  ring.cause = next
  const { error, causes } = line({ error: ring }) as { error: string; causes: string[] }
  expect(error).toBe(`  ${'[31m '}${'r'.repeat(5000)}`.slice(1, 4097))
  expect(causes).toHaveLength(8)
  expect(causes.slice(0, 2)).toEqual(['next', error.slice(0, 1024)])
})

test('a line on a descriptor is one line of plain text, whatever its fields hold', () => {
  const directory = mkdtempSync(`${tmpdir()}/log-`)
  const fd = openSync(`${directory}/log`, 'w')
  createLogger({ sink: jsonLines(fd) }).warn('a\u009bb', { given: 'c\u202ed\ne' })
  closeSync(fd)
  const text = readFileSync(`${directory}/log`, 'utf8')
  rmSync(directory, { recursive: true })
  expect(text).toMatch(/^[\x20-\x7e]+\n$/)
  expect(JSON.parse(text)).toMatchObject({ level: 'warn', msg: 'a\u009bb', given: 'c\u202ed\ne' })
})

test('a log of ours keeps its newest lines whole, whoever else appends to it', () => {
  const directory = mkdtempSync(`${tmpdir()}/log-`)
  const path = `${directory}/log`
  const fd = openSync(path, 'a+')
  const log = createLogger({ sink: boundedJsonLines(fd, 4000) })
  for (let index = 0; index < 1000; index++) {
    log.info(`${index}`)
    if (index % 100 === 0) appendFileSync(path, '{"msg":"another"}\n')
    expect(statSync(path).size).toBeLessThan(4200)
  }
  closeSync(fd)
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  rmSync(directory, { recursive: true })
  const told = lines.map((line) => JSON.parse(line).msg).filter((msg) => msg !== 'another')
  expect(told.length).toBeGreaterThan(20)
  expect(told).toEqual(told.map((_, index) => `${1000 - told.length + index}`))
})
