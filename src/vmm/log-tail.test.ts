import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { logTail } from './log-tail.ts'

const directory = mkdtempSync(`${tmpdir()}/tail-`)
afterAll(() => rmSync(directory, { recursive: true }))

test('reads the end only, as plain text', () => {
  writeFileSync(`${directory}/log`, `${'x'.repeat(100_000)}\x1b[1mlast words\n`)
  const tail = logTail(`${directory}/log`)
  expect(tail).toEndWith('xlast words\n')
  expect(tail.length).toBeLessThanOrEqual(4096)
})

test('short and missing logs', () => {
  writeFileSync(`${directory}/short`, 'why\n')
  expect(logTail(`${directory}/short`)).toBe('why\n')
  expect(logTail(`${directory}/none`)).toBe('')
})
