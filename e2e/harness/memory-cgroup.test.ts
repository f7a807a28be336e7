import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { cgroupHierarchies } from '../../src/linux/cgroups/cgroup.ts'
import { hasController, memoryHierarchy } from './memory-cgroup.ts'

let point: string
beforeAll(() => {
  point = mkdtempSync(`${tmpdir()}/cgroup-`)
})
afterAll(() => rmSync(point, { recursive: true }))

test('version 2 has a controller where the children may have it, whatever files there are', () => {
  // As on the host of a test (setup/gate/own-host.ts): the processes are in a leaf without files of the controller.
  mkdirSync(`${point}/init`)
  writeFileSync(`${point}/cgroup.controllers`, 'cpu memory pids\n')
  const version2 = { point, version: 2, controllers: [] } as const
  expect(['memory', 'pids', 'io', 'mem'].map((name) => hasController(version2, name))).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('version 1 has those of its tree', () => {
  const version1 = { point: '/nowhere', version: 1, controllers: ['cpu', 'cpuacct'] } as const
  expect(['cpu', 'memory'].map((name) => hasController(version1, name))).toEqual([true, false])
})

test('what limits memory on this host is one of its hierarchies', () => {
  const points = cgroupHierarchies().map((hierarchy) => hierarchy.point)
  if (memoryHierarchy !== undefined) expect(points).toContain(memoryHierarchy.point)
})
