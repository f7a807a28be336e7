/** The cgroups of a sandbox: their limits, what is moved into them, and two sandboxes that come to one name in the same instant. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import {
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  enterCgroup,
  hierarchyOf,
  makeCgroup,
  removeCgroup,
} from '../linux/cgroups/cgroup.ts'
import { silentLogger } from '../log.ts'
import { until } from '../time.ts'
import { CgroupPlacement } from './placement.ts'
import { cgroupsResource } from './resource.ts'

const sandboxId = `kata-ts-placement-test-${process.pid}`
const path = `/kata_overhead/${sandboxId}`
const hierarchies = cgroupHierarchies()
let directory: string
let others: Bun.Subprocess

beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/placement-`)
  others = Bun.spawn(['/usr/bin/sleep', '100'])
})
afterEach(async () => {
  others.kill('SIGKILL')
  await others.exited
  for (const hierarchy of hierarchies)
    for (const at of [path, '/kata_overhead', '/vc'])
      await until(() => removeCgroup(hierarchy, at) || at !== path, { timeoutMs: 10_000 })
  rmSync(directory, { recursive: true })
})

const there = () => hierarchies.map((hierarchy) => existsSync(cgroupDirectory(hierarchy, path)))
const placesOfOthers = () => hierarchies.map((hierarchy) => cgroupOf(others.pid, hierarchy))

async function enterOthers(): Promise<void> {
  for (const hierarchy of hierarchies) {
    makeCgroup(hierarchy, path)
    await enterCgroup(hierarchy, path, others.pid)
  }
}

/** Places this process, and leaves again. `meanwhile` happens between the look at the names and their taking. */
async function place(
  meanwhile: () => Promise<void>,
  { only = false, inside = async (_placement: CgroupPlacement) => {} } = {},
): Promise<(string | undefined)[]> {
  const reach = (point: string) => (point === 'before-take' ? meanwhile() : Promise.resolve())
  const ledger = new Ledger(`${directory}/ledger.jsonl`, [cgroupsResource], silentLogger, { reach })
  const request = { cgroupsPath: undefined, isPod: false, only, memoryBytes: 2 ** 40 }
  try {
    await inside(await CgroupPlacement.enter(ledger, { ...request, sandboxId, log: silentLogger }))
    return hierarchies.map((hierarchy) => cgroupOf('self', hierarchy))
  } finally {
    await ledger.releaseAll()
  }
}

test('a sandbox has the cgroups of its name, and leaves none', async () => {
  expect(new Set(await place(async () => {}))).toEqual(new Set([path]))
  expect(new Set(there())).toEqual(new Set([false]))
})

test('cgroups that another has come to since they were looked at are left to it, with what is in them', async () => {
  const own = new Set(await place(enterOthers))
  expect(own.size).toBe(1)
  expect([...own][0]).toMatch(new RegExp(`^${path}\\.[0-9a-f]{8}$`))
  expect(new Set(placesOfOthers())).toEqual(new Set([path]))
  expect(others.exitCode).toBeNull()
})

test('a start that fails before it has claimed them ends nothing of another sandbox’s in them', async () => {
  const meanwhile = async () => {
    await enterOthers()
    throw new Error('no use')
  }
  await expect(place(meanwhile)).rejects.toThrow('no use')
  expect(new Set(placesOfOthers())).toEqual(new Set([path]))
  expect(others.exitCode).toBeNull()
})

/** What the files of version 1 or of version 2 say, in each of these cgroups; undefined where the cgroup lacks the controller. */
const limitsOf = (controller: string, names: { 1: string; 2: string }, cgroups: readonly string[]) =>
  cgroups.map((cgroup) => {
    const hierarchy = hierarchyOf(hierarchies, controller)
    const file = hierarchy && `${cgroupDirectory(hierarchy, cgroup)}/${names[hierarchy.version]}`
    return file !== undefined && existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
  })
const memory = (cgroups: readonly string[]) =>
  limitsOf('memory', { 1: 'memory.limit_in_bytes', 2: 'memory.max' }, cgroups)
const pids = (cgroups: readonly string[]) => limitsOf('pids', { 1: 'pids.max', 2: 'pids.max' }, cgroups)
const cpu = (cgroups: readonly string[]) => limitsOf('cpu', { 1: 'cpu.cfs_quota_us', 2: 'cpu.max' }, cgroups)

test.each([false, true])(
  'each of its cgroups has its limits (only: %p), and memory never less',
  async (only) => {
    const own = only ? [`/vc/kata_${sandboxId}`] : [`/vc/kata_${sandboxId}`, path]
    const bytes = 2 ** 40
    await place(async () => {}, {
      only,
      inside: async (placement) => {
        // A cgroup without the controller has no file for it.
        const expected = (found: readonly (string | undefined)[], value: string) =>
          found.map((one) => one && value)
        expect(memory(own)).toEqual(expected(memory(own), `${bytes}`))
        expect(pids(own)).toEqual(expected(pids(own), pids(own)[0] ?? ''))
        expect(pids(own)).not.toContain('max')
        const [sandboxCpu, overheadCpu] = cpu(own)
        expect(sandboxCpu ?? '-1').toMatch(/^(-1|max 100000)$/)
        if (overheadCpu !== undefined) expect(overheadCpu).toMatch(/^200000( 100000)?$/)
        placement.allowMemory(2 * bytes)
        expect(memory(own)).toEqual(expected(memory(own), `${2 * bytes}`))
        placement.allowMemory(bytes)
        expect(memory(own)).toEqual(expected(memory(own), `${2 * bytes}`))
        // The positive control: this host has the controller somewhere.
        expect([...memory(own), ...pids(own)].some((one) => one !== undefined)).toBe(true)
      },
    })
  },
)

test('what is moved in later is overhead, unless the sandbox has one cgroup', async () => {
  const at = async (only: boolean) => {
    let found: readonly (string | undefined)[] = []
    await place(async () => {}, {
      only,
      inside: async (placement) => {
        await placement.moveIn([others.pid])
        found = placesOfOthers()
        for (const hierarchy of hierarchies) await enterCgroup(hierarchy, '/', others.pid)
      },
    })
    return new Set(found)
  }
  expect(await at(false)).toEqual(new Set([path]))
  expect(await at(true)).toEqual(new Set([`/vc/kata_${sandboxId}`]))
})

test('a process that cannot be moved into them is an error where they alone count, and one that has ended is none', async () => {
  const ended = Bun.spawn(['/usr/bin/true'])
  await ended.exited
  // No process has it.
  const unmovable = -1
  const move = (only: boolean, pid: number) =>
    place(async () => {}, { only, inside: (placement) => placement.moveIn([pid]) }).catch(
      ({ message }) => message,
    )
  expect(await move(true, unmovable)).toMatch(/^\[CGROUP_UNUSABLE\].* process -1 stays outside: .*EINVAL/)
  expect(await move(false, unmovable)).toEqual(hierarchies.map(() => path))
  expect(await move(true, ended.pid)).toBeArray()
  await place(async () => {}, {
    only: true,
    inside: async (placement) => {
      await placement.moveIn([others.pid])
      expect(placesOfOthers()).toEqual(hierarchies.map((hierarchy) => cgroupOf('self', hierarchy)))
    },
  })
})
