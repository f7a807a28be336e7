import { expect, test } from 'bun:test'
import type { LogRecord, LogStream } from '../../../sandbox/records/container-log.ts'
import { LogPrinter } from './printer.ts'
import { inTime, isInTime } from './select.ts'

const record = (second: number, text: string, stream: LogStream = 'stdout'): LogRecord => ({
  time: new Date(second * 1000).toISOString(),
  stream,
  bytes: Buffer.from(text),
})
const records = [
  ...[record(1, 'one\n'), record(2, 'two\n', 'stderr'), record(3, 'thr'), record(4, 'ee\n')],
  record(5, 'four\n', 'stderr'),
]

test('since and until include their moments', () => {
  expect(records.filter(isInTime({ since: 2000, until: 4000 }))).toEqual(records.slice(1, 4))
  expect([...inTime(records, {})]).toEqual(records)
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
