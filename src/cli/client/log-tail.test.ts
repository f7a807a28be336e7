import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { RotatingFile } from '../../sandbox/records/rotating-file.ts'
import { LogTail } from './log-tail.ts'

let directory: string
let log: string
let seen: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/log-`)
  log = `${directory}/stdout.log`
  seen = ''
})
afterEach(() => rmSync(directory, { recursive: true }))

const sink = {
  write: async (chunk: Uint8Array) => {
    seen += Buffer.from(chunk).toString()
  },
}
const bytes = (text: string) => new TextEncoder().encode(text)

test('a log has two files of bounded size, and both are read in order', async () => {
  const file = new RotatingFile(log, 10)
  for (let index = 0; index < 100; index++) file.write(bytes(`${index}`.padStart(3)))
  file.write(bytes('x'.repeat(8)))
  file.close()
  expect(readdirSync(directory).sort()).toEqual(['stdout.log', 'stdout.log.1'])
  expect(statSync(`${log}.1`).size).toBe(10)
  expect(statSync(log).size).toBe(8)
  const tail = new LogTail(log, sink)
  await tail.copy()
  tail.close()
  expect(seen).toBe(' 97 98 99xxxxxxxx'.padStart(18, '6'))
})

test('what was there before counts for the bound', () => {
  writeFileSync(log, '12345678')
  const file = new RotatingFile(log, 10)
  file.write(bytes('abcd'))
  file.close()
  expect([statSync(`${log}.1`).size, statSync(log).size]).toEqual([10, 2])
})

test('a reader that follows gets every byte once, whenever a new file begins', async () => {
  const tail = new LogTail(log, sink)
  await tail.copy()
  const file = new RotatingFile(log, 10)
  let written = ''
  for (let index = 0; index < 60; index++) {
    const text = `${index},`
    file.write(bytes(text))
    written += text
    if (index % 2 === 0) await tail.copy()
  }
  await tail.copy()
  file.close()
  tail.close()
  expect(seen).toBe(written)
})
