import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { CgroupHierarchy } from '../linux/cgroups/cgroup.ts'
import { applySettings, memorySettings, overheadCpuSettings, processSettings } from './bounds.ts'

/** Stands for a mounted hierarchy with one cgroup in it; its files are ordinary ones. */
let point: string
beforeEach(() => {
  point = mkdtempSync(`${tmpdir()}/bounds-`)
  mkdirSync(`${point}/a`)
})
afterEach(() => rmSync(point, { recursive: true }))

const hierarchy = (version: 1 | 2): CgroupHierarchy => ({ point, version, controllers: [] })
const files = () =>
  Object.fromEntries(
    readdirSync(`${point}/a`).map((name) => [name, readFileSync(`${point}/a/${name}`, 'utf8')]),
  )

test('memory and swap are bounded, in the words of either version', () => {
  for (const name of [
    'memory.max',
    'memory.swap.max',
    'memory.limit_in_bytes',
    'memory.memsw.limit_in_bytes',
  ])
    writeFileSync(`${point}/a/${name}`, '')
  for (const version of [1, 2] as const)
    expect(applySettings(hierarchy(version), '/a', memorySettings({ version }, 4096))).toBe(true)
  expect(files()).toEqual({
    'memory.max': '4096',
    'memory.swap.max': '4096',
    'memory.limit_in_bytes': '4096',
    'memory.memsw.limit_in_bytes': '8192',
  })
})

test('a kernel without limits on swap has the others', () => {
  writeFileSync(`${point}/a/memory.limit_in_bytes`, '')
  expect(applySettings(hierarchy(1), '/a', memorySettings({ version: 1 }, 4096).toReversed())).toBe(true)
  expect(files()).toEqual({ 'memory.limit_in_bytes': '4096' })
})

test('a cgroup without the controller is told, and no file is made in it', () => {
  for (const settings of [
    memorySettings({ version: 2 }, 4096),
    processSettings(),
    overheadCpuSettings({ version: 2 }),
  ])
    expect(applySettings(hierarchy(2), '/a', settings)).toBe(false)
  expect(files()).toEqual({})
})
