import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lenientUidRange } from './lenient-uid-range.ts'

const builtIn = { base: 1879048192, blocks: 4091 }
let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kata-ts-uid-range-'))
  mkdirSync(join(dir, 'config.d'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function rangeOf(files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  return lenientUidRange({ file: join(dir, 'c.toml'), env: {} })
}

const main = '[hypervisor.qemu]\nconfidential_guest = true\nrootless_uid_base = 1310720000\n'

test('a refused file still names its range, drop-ins included', () => {
  expect(rangeOf({ 'c.toml': main })).toEqual({ ...builtIn, base: 1310720000 })
  expect(rangeOf({ 'config.d/1': '[hypervisor.qemu]\nrootless_uid_blocks = 8' })).toEqual({
    base: 1310720000,
    blocks: 8,
  })
})

test('what cannot be read in one file does not hide what stands in another', () => {
  expect(rangeOf({ 'c.toml': '[hypervisor.qemu', 'config.d/1': main }).base).toBe(1310720000)
  const wrong = '[hypervisor.qemu]\nrootless_uid_base = "many"\nrootless_uid_blocks = 0'
  expect(rangeOf({ 'c.toml': main, 'config.d/1': '[hypervisor.xen]', 'config.d/2': wrong })).toEqual({
    ...builtIn,
    base: 1310720000,
  })
})

test('a file that everybody may write names no range', () => {
  expect(rangeOf({ 'c.toml': main }).base).toBe(1310720000)
  chmodSync(join(dir, 'c.toml'), 0o666)
  expect(rangeOf({})).toEqual(builtIn)
})

test('without anything that can be read it is the built-in range', () => {
  expect(lenientUidRange({ file: join(dir, 'absent.toml'), env: {} })).toEqual(builtIn)
  expect(rangeOf({ 'c.toml': 'hypervisor = 3' })).toEqual(builtIn)
})
