import { expect, test } from 'bun:test'
import type { LogRecord, LogStream } from '../../../sandbox/records/container-log.ts'
import { LogPrinter } from './printer.ts'
import { inTime, lastLines } from './select.ts'

const record = (second: number, text: string, stream: LogStream = 'stdout'): LogRecord => ({
  time: new Date(second * 1000).toISOString(),
  stream,
  bytes: Buffer.from(text),
})
const records = [
  ...[record(1, 'one\n'), record(2, 'two\n', 'stderr'), record(3, 'thr'), record(4, 'ee\n')],
  record(5, 'four\n', 'stderr'),
]
const texts = (some: Iterable<LogRecord>) => [...some].map(({ bytes }) => Buffer.from(bytes).toString())

test('since and until include their moments', () => {
  expect(texts(inTime(records, { since: 2000, until: 4000 }))).toEqual(['two\n', 'thr', 'ee\n'])
  expect(texts(inTime(records, {}))).toEqual(texts(records))
})

test.each([
  [0, []],
  [1, ['four\n']],
  [2, ['thr', 'ee\n', 'four\n']],
  [3, ['two\n', 'thr', 'ee\n', 'four\n']],
  [99, ['one\n', 'two\n', 'thr', 'ee\n', 'four\n']],
])('the last %d lines, of however many records', (tail, expected) => {
  expect(texts(lastLines(records, { tail }))).toEqual(expected)
})

test('a line that has not ended is the last one', () => {
  expect(texts(lastLines([...records, record(6, 'five?')], { tail: 1 }))).toEqual(['five?'])
  expect(texts(lastLines([...records, record(6, 'five?')], { tail: 2 }))).toEqual(['four\n', 'five?'])
})

test('of a long log no more is kept than is asked for', () => {
  function* long() {
    for (let index = 0; index < 50_000; index++) yield record(index, `${index}\n`)
  }
  expect(texts(lastLines(long(), { tail: 2 }))).toEqual(['49998\n', '49999\n'])
})

test('what is printed keeps the order of both streams, and a time begins each line', async () => {
  let printed = ''
  const sink = (name: string) => ({
    write: async (chunk: Uint8Array) => {
      printed += `<${name} ${Buffer.from(chunk)}>`
    },
  })
  const printer = new LogPrinter({ sinks: { stdout: sink('out'), stderr: sink('err') }, timestamps: true })
  await printer.print(records.slice(0, 3))
  await printer.print(records.slice(3))
  const at = (second: number) => `1970-01-01T00:00:0${second}.000Z `
  expect(printed).toBe(
    `<out ${at(1)}one\n><err ${at(2)}two\n><out ${at(3)}thr><out ee\n><err ${at(5)}four\n>`,
  )
})
