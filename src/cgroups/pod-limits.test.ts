import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { podLimits } from './pod-limits.ts'

/** Stands for mounted hierarchies; their files are ordinary ones. */
let point: string
beforeEach(() => {
  point = mkdtempSync(`${tmpdir()}/pod-limits-`)
  mkdirSync(`${point}/kubepods/pod1/kata_s`, { recursive: true })
})
afterEach(() => rmSync(point, { recursive: true }))

const write = (files: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(files))
    writeFileSync(`${point}/kubepods/pod1/${name}`, `${text}\n`)
}
const sandbox = '/kubepods/pod1/kata_s'

test('version 2: those of the pod’s cgroup, and none where it says max', () => {
  const unified = [{ point, version: 2, controllers: [] }] as const
  expect(podLimits(unified, sandbox)).toEqual({})
  write({ 'memory.max': '536870912', 'cpu.max': '150000 100000' })
  expect(podLimits(unified, sandbox)).toEqual({ memoryBytes: 512 << 20, vcpus: 1.5 })
  write({ 'memory.max': 'max', 'cpu.max': 'max 100000' })
  expect(podLimits(unified, sandbox)).toEqual({})
})

test('version 1: the same of its files, where the largest numbers and -1 are none', () => {
  const all = [{ point, version: 1, controllers: ['cpu', 'memory'] }] as const
  write({ 'memory.limit_in_bytes': '536870912', 'cpu.cfs_quota_us': '50000', 'cpu.cfs_period_us': '100000' })
  expect(podLimits(all, sandbox)).toEqual({ memoryBytes: 512 << 20, vcpus: 0.5 })
  write({ 'memory.limit_in_bytes': '9223372036854771712', 'cpu.cfs_quota_us': '-1' })
  expect(podLimits(all, sandbox)).toEqual({})
})

test('a cgroup of kata-ts’s own, and the root, are no pod’s', () => {
  const unified = [{ point, version: 2, controllers: [] }] as const
  mkdirSync(`${point}/vc`)
  writeFileSync(`${point}/vc/memory.max`, '1\n')
  writeFileSync(`${point}/memory.max`, '1\n')
  expect([podLimits(unified, '/vc/kata_s'), podLimits(unified, '/kata_s')]).toEqual([{}, {}])
})
