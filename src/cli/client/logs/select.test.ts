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
  expect(texts(lastLines(() => records, tail))).toEqual(expected)
})

test('a line that has not ended is the last one', () => {
  const more = [...records, record(6, 'five?')]
  expect(texts(lastLines(() => more, 1))).toEqual(['five?'])
  expect(texts(lastLines(() => more, 2))).toEqual(['four\n', 'five?'])
})

test.each([
  [2, 49_998],
  [50_000, 0],
  [Number.MAX_SAFE_INTEGER, 0],
])('nothing of a long log is kept for its last %d lines', (tail, first) => {
  let given = 0
  function* long() {
    for (given = 0; given < 50_000; ) yield record(given, `${given++}\n`)
  }
  const last = lastLines(long, tail)
  expect(texts([last.next().value as LogRecord])).toEqual([`${first}\n`])
  // No more was read by then than what comes before it.
  expect(given).toBe(first + 1)
  expect([...last].length).toBe(Math.min(tail, 50_000) - 1)
})

test('what comes while the lines are counted, or later, is none of the last', () => {
  const growing = [...records]
  const give = () => {
    const now = [...growing]
    growing.push(record(9, 'late\n'))
    return now
  }
  expect(texts(lastLines(give, 1))).toEqual(['four\n'])
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
