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

test('where no place can be written it is a temporary one, which goes with the program', () => {
  // In a program of its own: at the end of a run of tests Bun calls none of those that wait for an exit.
  const program = `
    const { existsSync } = require('node:fs')
    const { scratchDir } = require(${JSON.stringify(join(import.meta.dir, 'scratch-dir.ts'))})
    const directory = scratchDir(['/sys'])
    console.log(JSON.stringify({ directory, isThere: existsSync(directory) }))`
  const { stdout } = Bun.spawnSync([process.execPath, '-e', program], { stderr: 'inherit' })
  const { directory, isThere } = JSON.parse(stdout.toString())
  expect(directory).toStartWith(join(tmpdir(), 'kata-ts-checks-'))
  expect(isThere).toBe(true)
  expect(existsSync(directory)).toBe(false)
})

test('another failure is not hidden', () => {
  writeFileSync(join(base, 'file'), '')
  expect(() => scratchDir([join(base, 'file')])).toThrow('ENOTDIR')
})
