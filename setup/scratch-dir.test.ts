import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scratchDir } from './scratch-dir.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'scratch-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const own = `checks-${process.getuid?.()}`

test('each user has a directory of their own in the first place that they can write', () => {
  expect(scratchDir([join(base, 'build')])).toBe(join(base, 'build', own))
  // Not even root can make a directory there.
  expect(scratchDir(['/sys', base])).toBe(join(base, own))
})

test('where no place can be written it is a temporary one', () => {
  const directory = scratchDir(['/sys'])
  expect(directory).toStartWith(join(tmpdir(), 'kata-ts-checks-'))
  expect(existsSync(directory)).toBe(true)
})

test('another failure is not hidden', () => {
  writeFileSync(join(base, 'file'), '')
  expect(() => scratchDir([join(base, 'file')])).toThrow('ENOTDIR')
})
