import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadOnHost } from './on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'clear-memory-'))
afterAll(() => rmSync(top, { recursive: true }))

test('memory that cannot be filled is given back: no descriptor holds the file', async () => {
  mkdirSync(`${top}/proc`)
  writeFileSync(`${top}/proc/meminfo`, 'MemAvailable: 1000000 kB\n')
  const share = join(top, 'share')
  mkdirSync(`${share}.clear-memory`)
  symlinkSync('/dev/full', `${share}.clear-memory/zeros`)
  const { module } = await loadOnHost<typeof import('./clear-memory.ts')>(
    'system/clear-memory.ts',
    share,
    top,
  )
  const open = () => readdirSync('/proc/self/fd').length
  const before = open()
  expect(() => module.clearFreeMemory()).toThrow('ENOSPC')
  expect(open()).toBe(before)
})
