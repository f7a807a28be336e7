import { afterEach, beforeEach, expect, test } from 'bun:test'
import { appendFileSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { type LogRecord, openContainerLog } from '../../../sandbox/records/container-log.ts'
import { lastLines } from './last-lines.ts'
import { LogReader } from './reader.ts'

let directory: string
let log: string
let reader: LogReader
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/last-`)
  log = `${directory}/output.log`
  reader = new LogReader(log)
})
afterEach(() => {
  reader.close()
  rmSync(directory, { recursive: true })
})

const texts = (records: Iterable<LogRecord>) =>
  [...records].map(({ bytes }) => Buffer.from(bytes).toString()).join('')
const last = (tail: number) => lastLines(reader, tail, () => true)
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `${from + index}\n`).join('')
/** A log of several files. */
function write(from: number, to: number, maxFiles = 100) {
  const sink = openContainerLog(log, 'stdout', { maxBytes: 200, maxFiles })
  for (let index = from; index < to; index++) sink.write(Buffer.from(`${index}\n`))
  sink.close()
}
const openFiles = () =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory) ? [fd] : []
    } catch {
      return []
    }
  })

/** One after the other, as a shim writes them. */
function put(...records: readonly (readonly [second: number, stream: string, text: string])[]) {
  for (const [second, stream, text] of records) {
    const [kind, bytes] = text.endsWith('\n') ? ['F', text] : ['P', `${text}\n`]
    appendFileSync(log, `${new Date(second * 1000).toISOString()} ${stream} ${kind} ${bytes}`)
  }
}

test.each([
  [0, ''],
  [1, 'four\n'],
  [2, 'three\nfour\n'],
  [3, 'two\nthree\nfour\n'],
  [99, 'one\ntwo\nthree\nfour\n'],
])('the last %d lines, of however many records', (tail, expected) => {
  put([1, 'stdout', 'one\n'], [2, 'stderr', 'two\n'], [3, 'stdout', 'thr'], [4, 'stdout', 'ee\n'])
  put([5, 'stderr', 'four\n'])
  expect(texts(last(tail))).toBe(expected)
})

test('a line that has not ended is the last one', () => {
  put([1, 'stdout', 'one\n'], [2, 'stdout', 'two\n'], [3, 'stdout', 'three?'])
  expect(texts(last(1))).toBe('three?')
  reader.close()
  expect(texts(last(2))).toBe('two\nthree?')
})

test('there are none of a log that is not there', () => {
  expect(texts(last(5))).toBe('')
})

test('only what is wanted is counted', () => {
  put([1, 'stdout', 'one\n'], [2, 'stderr', 'two\n'], [3, 'stdout', 'three\n'], [4, 'stderr', 'four\n'])
  expect(texts(lastLines(reader, 1, ({ stream }) => stream === 'stdout'))).toBe('three\n')
})

test.each([1, 5, 6, 7, 29, 30, 31, 99])('the last %d lines of a log of many files', (tail) => {
  write(0, 30)
  expect(readdirSync(directory).length).toBeGreaterThan(4)
  expect(texts(last(tail))).toBe(numbers(Math.max(0, 30 - tail), 30))
  expect(openFiles().length).toBe(1)
})

test('a file stays open only while it may have some of them', () => {
  write(0, 200)
  expect(readdirSync(directory).length).toBeGreaterThan(30)
  const few = last(3)
  expect(few.next().done).toBe(false)
  expect(openFiles().length).toBeLessThanOrEqual(3)
  few.return(undefined)
  expect(openFiles().length).toBe(1)
})

test('what comes once they are counted is none of them, and who follows goes on with it', () => {
  write(0, 20, 3)
  const counted = last(4)
  const first = texts([counted.next().value as LogRecord])
  // The files that were counted are kept no more.
  write(20, 60, 3)
  expect(first + texts(counted)).toBe(numbers(16, 20))
  expect(texts(reader.read())).toEndWith('\n59\n')
})
