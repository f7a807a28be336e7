import { afterAll, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { makeFifo } from '../../linux/files/fifo.ts'
import { checked, libc, ptr } from '../../linux/libc.ts'
import { ConsoleLog, printable } from './console-log.ts'

const directory = mkdtempSync(`${tmpdir()}/console-`)
afterAll(() => rmSync(directory, { recursive: true }))

function socketPair(): [number, number] {
  const pair = new Int32Array(2)
  checked(libc.socketpair(1, 1, 0, ptr(pair)), 'socketpair')
  return [pair[0]!, pair[1]!]
}

test('keeps the tail and the file, and ends with the other end', async () => {
  const [ours, guest] = socketPair()
  const log = await ConsoleLog.open(ours, `${directory}/a`)
  writeSync(guest, 'first\r\n\x1b[31mred\x1b[0m\x07 second\n')
  closeSync(guest)
  await log.closed
  expect(log.tail()).toBe('first\nred second\n')
  expect(readFileSync(`${directory}/a`, 'utf8')).toContain('\x1b[31mred')
  expect(statSync(`${directory}/a`).mode & 0o777).toBe(0o600)
})

test('what comes through a pipe is kept in the same log, until all have come to their end', async () => {
  const [ours, vmm] = socketPair()
  const pipe = `${directory}/pipe`
  makeFifo(pipe)
  const reading = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const writing = openSync(pipe, constants.O_WRONLY)
  const seen: string[] = []
  const log = await ConsoleLog.open(ours, `${directory}/p`, (tail) => void seen.push(tail.toString()))
  const read = log.alsoFrom(reading)
  writeSync(vmm, 'stderr\n')
  while (seen.length === 0) await Bun.sleep(1)
  closeSync(vmm)
  writeSync(writing, 'log\n')
  closeSync(writing)
  await Promise.all([read, log.closed])
  expect(log.tail()).toBe('stderr\nlog\n')
  expect(readFileSync(`${directory}/p`, 'utf8')).toBe('stderr\nlog\n')
  expect(seen.at(-1)).toBe('stderr\nlog\n')
})

test('a guest that writes on and on fills neither memory nor disk', async () => {
  const [ours, guest] = socketPair()
  const log = await ConsoleLog.open(ours, `${directory}/b`)
  const chunk = Buffer.alloc(64 * 1024, 'x')
  for (let round = 0; round < 30; round++) {
    writeSync(guest, chunk)
    await Bun.sleep(0)
  }
  writeSync(guest, 'last')
  closeSync(guest)
  await log.closed
  expect(log.tail().length).toBeLessThanOrEqual(8192)
  expect(log.tail()).toEndWith('last')
  const size = (name: string) => statSync(`${directory}/${name}`, { throwIfNoEntry: false })?.size ?? 0
  expect(size('b') + size('b.1')).toBeLessThan(2 * 1024 * 1024 - 100)
  expect(size('b.1')).toBeGreaterThan(0)
})

test('a file that cannot be written costs the file only', async () => {
  const [ours, guest] = socketPair()
  const log = await ConsoleLog.open(ours, `${directory}/none/c`)
  writeSync(guest, 'still here')
  closeSync(guest)
  await log.closed
  expect(log.tail()).toBe('still here')
})

test('printable text cannot drive a terminal', () => {
  expect(printable('a\u202eb\u2066c\u061cd\u009be')).toBe('abcde')
  expect(printable('a\x1b]0;title\x07b\x1b[2Jc\x9b1md\te\n')).not.toMatch(/[^\P{Cc}\t\n]/u)
})

test('whatever a guest writes, the tail cannot drive the terminal of who reads it', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc
      .array(
        fc.constantFrom(
          '\x1b',
          '[',
          '2',
          'J',
          ';',
          'm',
          ']',
          '0',
          '\x07',
          '\x9b',
          '\r',
          '\n',
          'a',
          '\x1b]0;',
        ),
        {
          maxLength: 40,
        },
      )
      .map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(hostile, (text) => {
      expect(printable(text)).toMatch(/^[\P{Cc}\n\t]*$/u)
      expect(printable(text).length).toBeLessThanOrEqual(text.length)
    }),
  )
})
