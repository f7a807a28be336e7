import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../../linux/files/fifo.ts'
import { parseEnvFile, readEnvFile } from './env-file.ts'
import { readLabels } from './labels.ts'

const parse = (text: string) => parseEnvFile(Buffer.from(text), 'app.env')

test('lines are taken as they are; comments, empty lines and blanks before a name are left out', () => {
  const text = '\ufeff# a comment\n\n  A=1 \r\nB="x # y"\nC=\nPASSED\nD=a=b'
  expect(parse(text)).toEqual(['A=1 ', 'B="x # y"', 'C=', 'PASSED', 'D=a=b'])
  expect(parse('')).toEqual([])
})

test.each([
  ['A=1\nB C=2\n', 'app.env:2: "B C" is no name'],
  ['=x', 'app.env:1: "" is no name'],
  ['A=\0x', 'app.env:1: "A" is no name'],
  ['A=1\0B C=2\0', 'app.env: entry 2 does not begin with the name'],
  ['A=1\0=x\0', 'app.env: entry 2 does not begin with the name'],
  ['A=1\nB=2\0C\0', 'app.env: entry 2 does not begin with the name'],
])('%j is refused by its line', (text, problem) => {
  expect(() => parse(text)).toThrow(`[ENV_FILE_INVALID] --env-file ${problem}`)
})

test('a file as `env -0` writes it has values of several lines, and nothing is left out', () => {
  expect(parse('KEY=one\ntwo\r\n\0#A= x\0B=\0')).toEqual(['KEY=one\ntwo\r\n', '#A= x', 'B='])
})

test('a file that is not text, or has no end, is refused', () => {
  expect(() => parseEnvFile(new Uint8Array([0xff, 0xfe]), 'x')).toThrow('it is not UTF-8')
  expect(() => parseEnvFile(new Uint8Array((1 << 20) + 1), 'x')).toThrow('more than 1048576 bytes')
})

test.each([
  ['variables', (file: string) => readEnvFile(file), '[ENV_FILE_INVALID]'],
  ['labels', (file: string) => readLabels([], [file]), '[OPTION_INVALID]'],
] as const)(
  'a file of %s is read no further than its bound, whatever size it said',
  async (_, read, code) => {
    const directory = mkdtempSync(`${tmpdir()}/env-file-`)
    const fifo = `${directory}/fifo`
    makeFifo(fifo)
    const writer = Bun.spawn(['sh', '-c', 'exec head -c 64M /dev/zero >"$1"', 'sh', fifo])
    expect(() => read(fifo)).toThrow(code)
    await writer.exited
    expect(writer.signalCode).toBe('SIGPIPE')
    rmSync(directory, { recursive: true })
  },
)

test('variables come through a pipe, too', async () => {
  const directory = mkdtempSync(`${tmpdir()}/env-file-`)
  const fifo = `${directory}/fifo`
  makeFifo(fifo)
  const writer = Bun.spawn(['sh', '-c', '{ echo A=1; sleep 0.1; echo B=2; } >"$1"', 'sh', fifo])
  expect(readEnvFile(fifo)).toEqual(['A=1', 'B=2'])
  await writer.exited
  expect(() => readEnvFile(directory)).toThrow('EISDIR')
  rmSync(directory, { recursive: true })
})
