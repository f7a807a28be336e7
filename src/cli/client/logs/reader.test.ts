import { afterEach, beforeEach, expect, test } from 'bun:test'
import { appendFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { openContainerLog } from '../../../sandbox/records/container-log.ts'
import { LogReader } from './reader.ts'

let directory: string
let log: string
let reader: LogReader
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/log-`)
  log = `${directory}/output.log`
  reader = new LogReader(log)
})
afterEach(() => {
  reader.close()
  rmSync(directory, { recursive: true })
})

const textOf = (from: LogReader) =>
  [...from.read()].map(({ bytes }) => Buffer.from(bytes).toString()).join('')
const writer = (maxBytes: number, maxFiles: number) => openContainerLog(log, 'stdout', { maxBytes, maxFiles })

test('a log that is not there yet is empty, and read once it is', () => {
  expect(textOf(reader)).toBe('')
  const sink = writer(1000, 2)
  sink.write(Buffer.from('hello\n'))
  expect(textOf(reader)).toBe('hello\n')
  expect(textOf(reader)).toBe('')
  sink.close()
})

test('all files are read in their order, however many', () => {
  const sink = writer(200, 5)
  for (let index = 0; index < 40; index++) sink.write(Buffer.from(`${index}\n`))
  sink.close()
  const numbers = textOf(reader).split('\n').slice(0, -1).map(Number)
  expect(numbers.length).toBeGreaterThan(10)
  expect(numbers).toEqual(numbers.map((_, index) => 40 - numbers.length + index))
})

test('one who follows gets every line once, whenever new files begin', () => {
  const sink = writer(100, 4)
  let written = ''
  let seen = ''
  for (let index = 0; index < 100; index++) {
    const text = `${index}\n`
    sink.write(Buffer.from(text))
    written += text
    // Now and then several files are full between two looks.
    if (index % 6 === 0) seen += textOf(reader)
  }
  sink.close()
  expect(seen + textOf(reader)).toBe(written)
})

test('one who follows a log of a single file goes on with the one that takes its place', () => {
  const sink = writer(100, 1)
  let written = ''
  let seen = ''
  for (let index = 0; index < 40; index++) {
    sink.write(Buffer.from(`${index}\n`))
    written += `${index}\n`
    seen += textOf(reader)
  }
  sink.close()
  expect(seen).toBe(written)
})

test('a file that was left within a record takes no record of the next one along', () => {
  const sink = writer(100, 4)
  sink.write(Buffer.from('one\n'))
  sink.close()
  // A power cut; then a shim finds no room in the file.
  appendFileSync(log, `${new Date().toISOString()} stdout F ${'x'.repeat(80)}`)
  const next = writer(100, 4)
  next.write(Buffer.from('two\n'))
  next.close()
  expect(textOf(reader)).toBe('one\ntwo\n')
})

test('one who is too slow goes on with the oldest file that is kept', () => {
  const sink = writer(100, 2)
  sink.write(Buffer.from('first\n'))
  expect(textOf(reader)).toBe('first\n')
  for (let index = 0; index < 50; index++) sink.write(Buffer.from(`${index}\n`))
  sink.close()
  // The file at hand is read to its end, although it is not kept any more.
  const [, ...numbers] = textOf(reader).split('\n').slice(0, -1).map(Number)
  expect(numbers.at(-1)).toBe(49)
  expect(numbers).toEqual(numbers.map((_, index) => 50 - numbers.length + index))
})

test('one who reads slowly misses nothing that is kept when new files begin meanwhile', () => {
  const sink = writer(200, 20)
  const write = (from: number, to: number) => {
    for (let index = from; index < to; index++) sink.write(Buffer.from(`${index}\n`))
  }
  write(0, 20)
  const numbers: number[] = []
  for (const { bytes } of reader.read()) {
    // Some files are full while the first is read.
    if (numbers.length === 0) write(20, 40)
    numbers.push(Number(Buffer.from(bytes).toString()))
  }
  sink.close()
  expect(numbers).toEqual(numbers.map((_, index) => index))
  expect(numbers.length).toBeGreaterThan(20)
})

test('one who looks between two files begins none anew', () => {
  const sink = writer(100, 4)
  sink.write(Buffer.from('first\n'))
  expect(textOf(reader)).toBe('first\n')
  sink.close()
  renameSync(log, `${log}.1`)
  expect(textOf(reader)).toBe('')
  expect(textOf(reader)).toBe('')
  const another = writer(100, 4)
  another.write(Buffer.from('second\n'))
  expect(textOf(reader)).toBe('second\n')
  another.close()
})

test('a record that is still being written waits for its rest, and what is no record is passed over', () => {
  appendFileSync(log, 'damaged\n2026-01-01T00:00:00.000Z stdout F be')
  expect(textOf(reader)).toBe('')
  appendFileSync(log, 'gun\n')
  expect(textOf(reader)).toBe('begun\n')
})
