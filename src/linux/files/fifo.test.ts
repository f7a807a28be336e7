import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from './fifo.ts'

const directory = mkdtempSync(`${tmpdir()}/fifo-`)
afterAll(() => rmSync(directory, { recursive: true }))

test('makes a pipe that only its owner may open', () => {
  makeFifo(`${directory}/a`)
  const stat = statSync(`${directory}/a`)
  expect(stat.isFIFO()).toBe(true)
  expect(stat.mode & 0o777).toBe(0o600)
})

test('says why it cannot', () => {
  expect(() => makeFifo(`${directory}/a`)).toThrow(/EEXIST/)
  expect(() => makeFifo(`${directory}/none/a`)).toThrow(/ENOENT/)
})
