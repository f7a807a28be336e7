import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { salvageUidRange } from './salvage.ts'

const builtIn = { base: 1879048192, blocks: 4091 }
let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kata-ts-salvage-'))
  mkdirSync(join(dir, 'config.d'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function salvaged(files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  return salvageUidRange({ file: join(dir, 'c.toml'), env: {} })
}

const main = '[hypervisor.qemu]\nconfidential_guest = true\nrootless_uid_base = 1310720000\n'

test('a refused file still names its range, drop-ins included', () => {
  expect(salvaged({ 'c.toml': main })).toEqual({ ...builtIn, base: 1310720000 })
  expect(salvaged({ 'config.d/1': '[hypervisor.qemu]\nrootless_uid_blocks = 8' })).toEqual({
    base: 1310720000,
    blocks: 8,
  })
})

test('what cannot be read in one file does not hide what stands in another', () => {
  expect(salvaged({ 'c.toml': '[hypervisor.qemu', 'config.d/1': main }).base).toBe(1310720000)
  const wrong = '[hypervisor.qemu]\nrootless_uid_base = "many"\nrootless_uid_blocks = 0'
  expect(salvaged({ 'c.toml': main, 'config.d/1': '[hypervisor.xen]', 'config.d/2': wrong })).toEqual({
    ...builtIn,
    base: 1310720000,
  })
})

test('without anything that can be read it is the built-in range', () => {
  expect(salvageUidRange({ file: join(dir, 'absent.toml'), env: {} })).toEqual(builtIn)
  expect(salvaged({ 'c.toml': 'hypervisor = 3' })).toEqual(builtIn)
})
