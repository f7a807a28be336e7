import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { CgroupHierarchy } from '../linux/cgroups/cgroup.ts'
import { cgroupUsage } from './usage.ts'

/** Stands for mounted hierarchies with two cgroups; their files are ordinary ones. */
let point: string
beforeEach(() => {
  point = mkdtempSync(`${tmpdir()}/usage-`)
  for (const path of ['one', 'two']) mkdirSync(`${point}/${path}`)
})
afterEach(() => rmSync(point, { recursive: true }))

function write(path: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(`${point}/${path}/${name}`, `${text}\n`)
}
const usage = (...hierarchies: CgroupHierarchy[]) => cgroupUsage(hierarchies, ['/one', '/two'])

test('the cgroups of version 1 are added up, under the names of version 2', () => {
  const all = { point, version: 1, controllers: ['cpu', 'cpuacct', 'memory', 'pids'] } as const
  write('one', {
    'cpuacct.usage': '700',
    'cpuacct.usage_user': '400',
    'cpuacct.usage_sys': '300',
    'memory.usage_in_bytes': '1000',
    'memory.max_usage_in_bytes': '1500',
    'memory.limit_in_bytes': '4000',
    'memory.failcnt': '1',
    'memory.memsw.usage_in_bytes': '1100',
    'memory.memsw.limit_in_bytes': '9000',
    'memory.stat': 'rss 1\ncache 2\ntotal_rss 600\ntotal_cache 300\ntotal_inactive_file 50\ntotal_pgpgin 9',
    'pids.current': '3',
    'pids.max': '10',
  })
  write('two', {
    'cpuacct.usage': '7',
    'memory.usage_in_bytes': '10',
    'memory.limit_in_bytes': '4000',
    'memory.memsw.usage_in_bytes': '10',
    'memory.memsw.limit_in_bytes': '8000',
    'memory.stat': 'total_rss 6',
    'pids.current': '4',
    'pids.max': 'max',
  })
  expect(usage(all)).toMatchObject({
    cpuStats: { cpuUsage: { totalUsage: 707n, usageInUsermode: 400n, usageInKernelmode: 300n } },
    memoryStats: {
      usage: { usage: 1010n, maxUsage: 1500n, limit: 8000n, failcnt: 1n },
      swapUsage: { usage: 100n, limit: 9000n },
      stats: { anon: 606n, file: 300n, inactive_file: 50n },
    },
    pidsStats: { current: 7n, limit: 2n ** 64n - 1n },
  })
  expect(Object.keys(usage(all).memoryStats!.stats).sort()).toEqual(['anon', 'file', 'inactive_file'])
})

test('the cgroups of version 2 are added up; microseconds become nanoseconds', () => {
  const memory = {
    'memory.current': '100',
    'memory.max': 'max',
    'memory.events': 'low 0\nhigh 4\nmax 2\noom 1\noom_kill 3',
  }
  for (const path of ['one', 'two'])
    write(path, {
      ...memory,
      'cpu.stat': 'usage_usec 50\nuser_usec 30\nsystem_usec 20',
      'memory.peak': '120',
      'memory.stat': 'anon 70\ninactive_file 5',
      'memory.swap.current': '8',
      'memory.swap.peak': '11',
      'memory.swap.max': '20',
      'pids.current': '2',
    })
  expect(usage({ point, version: 2, controllers: [] })).toMatchObject({
    cpuStats: { cpuUsage: { totalUsage: 100_000n, usageInUsermode: 60_000n, usageInKernelmode: 40_000n } },
    memoryStats: {
      usage: { usage: 200n, maxUsage: 240n, limit: 2n ** 64n - 1n, failcnt: 4n },
      swapUsage: { usage: 16n, maxUsage: 22n, limit: 40n },
      // As our agent tells them, by which the metrics of version 2 know them.
      stats: { anon: 140n, inactive_file: 10n, 'events.high': 8n, 'events.oom': 2n, 'events.oom_kill': 6n },
    },
    pidsStats: { current: 4n },
  })
})

test.each([1, 2] as const)('swap of version %i without a limit has none', (version) => {
  const none = { 1: String(2 ** 63 - 4096), 2: 'max' }[version]
  write('one', {
    'memory.current': '5',
    'memory.max': 'max',
    'memory.swap.current': '0',
    'memory.swap.max': none,
    'memory.usage_in_bytes': '5',
    'memory.limit_in_bytes': '4096',
    'memory.memsw.usage_in_bytes': '5',
    'memory.memsw.limit_in_bytes': '9223372036854771712',
  })
  const { memoryStats } = usage({ point, version, controllers: ['memory'] })
  expect(memoryStats?.swapUsage?.limit).toBeGreaterThan(2n ** 62n)
})

test('what the host does not count is absent', () => {
  const absent = { memoryStats: undefined, pidsStats: undefined }
  expect(usage()).toMatchObject({ ...absent, cpuStats: undefined })
  expect(usage({ point, version: 2, controllers: [] })).toMatchObject({
    ...absent,
    cpuStats: { cpuUsage: undefined },
  })
})
