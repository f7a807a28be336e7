/** Two sandboxes that come to one name in the same instant. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import {
  cgroupDirectory,
  cgroupHierarchies,
  cgroupOf,
  enterCgroup,
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
