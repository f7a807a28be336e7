import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashFiles, isFresh, stamped } from './stamp.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kata-stamp-'))
  mkdirSync(join(root, 'src/deep'), { recursive: true })
  writeFileSync(join(root, 'src/deep/a.ts'), 'a')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('the hash follows names and contents, and tests only where that is asked for', () => {
  const before = hashFiles(root, ['src'])
  writeFileSync(join(root, 'src/a.test.ts'), 'test')
  expect(hashFiles(root, ['src'])).toBe(before)
  expect(hashFiles(root, ['src'], { tests: true })).not.toBe(before)
  writeFileSync(join(root, 'src/b.ts'), '')
  const withB = hashFiles(root, ['src'])
  expect(withB).not.toBe(before)
  writeFileSync(join(root, 'src/b.ts'), 'x')
  expect(hashFiles(root, ['src'])).not.toBe(withB)
})

test('an input that is not there is a mistake: nothing would tell of its changes', () => {
  expect(() => hashFiles(root, ['src', 'src/moved.ts'])).toThrow('src/moved.ts')
})

test('fresh only after success, with the same hash and all outputs', async () => {
  const stamp = join(root, '.stamps/x')
  const output = join(root, 'out')
  const make = async () => writeFileSync(output, '')
  expect(isFresh(stamp, 'h', [output])).toBe(false)
  await stamped(stamp, 'h', make)
  expect(isFresh(stamp, 'h', [output])).toBe(true)
  expect(isFresh(stamp, 'other', [output])).toBe(false)
  rmSync(output)
  expect(isFresh(stamp, 'h', [output])).toBe(false)
  await make()
  await expect(stamped(stamp, 'h', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(isFresh(stamp, 'h', [output])).toBe(false)
})
