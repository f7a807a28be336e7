import { heapStats } from 'bun:jsc'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { openContainerLog, parseRecord } from './container-log.ts'

let directory: string
let log: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/container-log-`)
  log = `${directory}/output.log`
})
afterEach(() => rmSync(directory, { recursive: true }))

const bytes = (text: string) => Buffer.from(text)
const recordsIn = (file: Buffer) => {
  const records: NonNullable<ReturnType<typeof parseRecord>>[] = []
  for (let start = 0; start < file.length; ) {
    const end = file.indexOf(10, start) + 1
    records.push(parseRecord(file.subarray(start, end))!)
    start = end
  }
  return records
}

const bounds = { maxBytes: 1000, maxFiles: 3 }

test('both streams are in one file in their order, each line with its time', () => {
  const [out, err] = (['stdout', 'stderr'] as const).map((stream) => openContainerLog(log, stream, bounds))
  out!.write(bytes('one\nbegins'))
  err!.write(bytes('oops\n\n'))
  out!.write(bytes(' and ends\n'))
  out!.close()
  err!.write(bytes('last'))
  err!.close()
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /
  expect(lines.every((line) => time.test(line))).toBe(true)
  expect(lines.map((line) => line.replace(time, ''))).toEqual([
    ...[
      'stdout F one',
      'stdout P begins',
      'stderr F oops',
      'stderr F ',
      'stdout F  and ends',
      'stderr P last',
    ],
  ])
  const records = lines.map((line) => parseRecord(bytes(`${line}\n`))!)
  const written = (wanted: string) =>
    Buffer.concat(records.filter(({ stream }) => stream === wanted).map((record) => record.bytes)).toString()
  expect([written('stdout'), written('stderr')]).toEqual(['one\nbegins and ends\n', 'oops\n\nlast'])
})

test('a file that cannot be made for what comes next costs none of those that are there', () => {
  const sink = openContainerLog(log, 'stdout', { maxBytes: 100, maxFiles: 2 })
  for (const word of ['one', 'two', 'three']) sink.write(bytes(`${word.padEnd(40)}\n`))
  const before = readFileSync(`${log}.1`, 'utf8')
  mkdirSync(`${log}.new`)
  for (let round = 0; round < 3; round++)
    expect(() => sink.write(bytes(`${'lost'.padEnd(40)}\n`))).toThrow('EISDIR')
  expect(readFileSync(`${log}.1`, 'utf8')).toBe(before)
  rmdirSync(`${log}.new`)
  sink.write(bytes('later\n'))
  sink.close()
  expect(readFileSync(`${log}.1`, 'utf8')).toContain('three')
  expect(readFileSync(log, 'utf8')).toContain('later')
})

test('bytes that are no text come back as they were', () => {
  const noise = Uint8Array.from({ length: 512 }, (_, index) => index % 256)
  const sink = openContainerLog(log, 'stdout', { maxBytes: 10_000, maxFiles: 1 })
  sink.write(noise)
  sink.close()
  const back = recordsIn(readFileSync(log)).map(({ bytes }) => bytes)
  expect(new Uint8Array(Buffer.concat(back))).toEqual(noise)
})

test('the files are as many and as large as was said, and records are whole', () => {
  const sink = openContainerLog(log, 'stdout', bounds)
  for (let index = 0; index < 200; index++) sink.write(bytes(`line ${index}\n`))
  sink.close()
  const files = readdirSync(directory).sort()
  expect(files).toEqual(['output.log', 'output.log.1', 'output.log.2'])
  const texts = files.toReversed().map((name) => readFileSync(`${directory}/${name}`, 'utf8'))
  for (const name of files) expect(statSync(`${directory}/${name}`).size).toBeLessThanOrEqual(1000)
  const numbers = texts
    .join('')
    .split('\n')
    .slice(0, -1)
    .map((line) => Number(/ F line (\d+)$/.exec(line)?.[1]))
  expect(numbers.at(-1)).toBe(199)
  expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index))
})

test('a log of one file begins anew when it is full', () => {
  const sink = openContainerLog(log, 'stdout', { maxBytes: 100, maxFiles: 1 })
  for (let index = 0; index < 9; index++) sink.write(bytes(`${index}`.repeat(20).concat('\n')))
  sink.close()
  expect(readdirSync(directory)).toEqual(['output.log'])
  expect(readFileSync(log, 'utf8')).toMatch(/^\S+ stdout F 8{20}\n$/)
})

test('a flood of empty lines makes no object for each', () => {
  const lines = 256 * 1024
  const sink = openContainerLog(log, 'stdout', { maxBytes: 100_000_000, maxFiles: 1 })
  const flood = new Uint8Array(lines).fill(10)
  const before = heapStats().objectCount
  sink.write(flood)
  expect(heapStats().objectCount - before).toBeLessThan(lines / 10)
  sink.close()
  const file = readFileSync(log)
  expect(file.length % lines).toBe(0)
  expect(file.toString('latin1')).toMatch(/^(\S+ stdout F \n)+$/)
})

test('what is cut into parts to be written comes back whole, whatever its lines and files', () => {
  const short = Buffer.from('ab\n'.repeat(40_000))
  const long = Buffer.from(`${'x'.repeat(200_000)}\n`)
  const chunk = Buffer.concat([short, long, short, Buffer.from('no end')])
  const sink = openContainerLog(log, 'stdout', { maxBytes: 100_000, maxFiles: 100 })
  sink.write(chunk)
  sink.write(chunk)
  sink.close()
  const ages = readdirSync(directory).map((name) => Number(name.split('.')[2] ?? 0))
  const files = ages.sort((a, b) => b - a).map((age) => readFileSync(age === 0 ? log : `${log}.${age}`))
  const records = files.map(recordsIn)
  expect(Buffer.concat(records.flat().map(({ bytes }) => bytes)).equals(Buffer.concat([chunk, chunk]))).toBe(
    true,
  )
  for (const [index, { length }] of files.entries())
    if (records[index]!.length > 1) expect(length).toBeLessThanOrEqual(100_000)
  // Only lines that go on say so.
  const parts = records.flat().filter(({ bytes }) => bytes.at(-1) !== 10)
  expect(parts.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['no end', 'no end'])
})

test.each(['', 'no record', '2026 stdin F x\n', '2026 stdout X x\n'])('%j is no record', (line) => {
  expect(parseRecord(bytes(line))).toBeUndefined()
})

test('the first record after one that a power cut has cut is a record of its own', () => {
  appendFileSync(log, '2026-01-02T03:04:05.000Z stdout F the last wor')
  const sink = openContainerLog(log, 'stdout', bounds)
  for (const line of ['back\n', 'again\n']) sink.write(bytes(line))
  sink.close()
  expect(recordsIn(readFileSync(log)).map((record) => `${Buffer.from(record.bytes)}`)).toEqual([
    'the last wor\n',
    'back\n',
    'again\n',
  ])
})
