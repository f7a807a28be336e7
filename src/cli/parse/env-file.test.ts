import { expect, test } from 'bun:test'
import { parseEnvFile } from './env-file.ts'

const parse = (text: string) => parseEnvFile(Buffer.from(text), 'app.env')

test('lines are taken as they are; comments, empty lines and blanks before a name are left out', () => {
  const text = '\ufeff# a comment\n\n  A=1 \r\nB="x # y"\nC=\nPASSED\nD=a=b'
  expect(parse(text)).toEqual(['A=1 ', 'B="x # y"', 'C=', 'PASSED', 'D=a=b'])
  expect(parse('')).toEqual([])
})

test.each([
  ['A=1\nB C=2\n', 'app.env:2: "B C" is no name'],
  ['=x', 'app.env:1: "" is no name'],
  ['A=\0', 'app.env:1: "A" is no name'],
])('%j is refused by its line', (text, problem) => {
  expect(() => parse(text)).toThrow(`[ENV_FILE_INVALID] --env-file ${problem}`)
})

test('a file that is not text, or has no end, is refused', () => {
  expect(() => parseEnvFile(new Uint8Array([0xff, 0xfe]), 'x')).toThrow('it is not UTF-8')
  expect(() => parseEnvFile(new Uint8Array((1 << 20) + 1), 'x')).toThrow('more than 1048576 bytes')
})
