/** What a container that begins with a saved machine takes over, and what is left of one that cannot begin. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyDisk } from './new-container.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-ts-new-container-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('a disk has its name once it is whole, and a copy that is given up leaves nothing', async () => {
  // Large enough for a copy to pause in.
  const disk = Buffer.alloc(20 * 2 ** 20, 'x')
  writeFileSync(`${directory}/from`, disk)
  const giveUp = new AbortController()
  const copy = copyDisk(`${directory}/from`, `${directory}/to`, giveUp.signal)
  expect(readdirSync(directory).sort()).toEqual(['from', 'to.new'])
  giveUp.abort(new Error('given up'))
  await expect(copy).rejects.toThrow('given up')
  expect(readdirSync(directory)).toEqual(['from'])
  await copyDisk(`${directory}/from`, `${directory}/to`, new AbortController().signal)
  expect(readdirSync(directory).sort()).toEqual(['from', 'to'])
  expect(readFileSync(`${directory}/to`).equals(disk)).toBe(true)
})
