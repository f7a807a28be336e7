import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { cgroupHierarchies, hierarchyOf, isUnified, missingCgroups, readControl } from './cgroup.ts'

let root: string
beforeAll(() => {
  root = mkdtempSync(`${tmpdir()}/cgroups-`)
  for (const name of ['cpu,cpuacct', 'memory', 'systemd', 'unified', 'a b']) {
    mkdirSync(`${root}/${name}`)
    writeFileSync(`${root}/${name}/cgroup.procs`, '')
  }
  writeFileSync(`${root}/memory/limit`, '4096\n')
  writeFileSync(`${root}/memory/none`, 'max\n')
})
afterAll(() => rmSync(root, { recursive: true }))

const mounted = (point: string, type: string, options: string) =>
  `30 24 0:26 / ${root}/${point} rw,nosuid shared:9 - ${type} cgroup ${options}`
const hybrid = () =>
  [
    '24 1 8:1 / / rw - ext4 /dev/vda rw',
    mounted('cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
    mounted('gone', 'cgroup', 'rw,pids'),
    mounted('memory', 'cgroup', 'rw,memory'),
    mounted('systemd', 'cgroup', 'rw,xattr,release_agent=/lib/x,name=systemd'),
    mounted('unified', 'cgroup2', 'rw,nsdelegate'),
  ].join('\n')

describe('which hierarchies there are', () => {
  test('both versions side by side, without what cannot be reached', () => {
    const found = cgroupHierarchies(hybrid())
    expect(found.map(({ version, controllers }) => [version, ...controllers])).toEqual([
      [1, 'cpu', 'cpuacct'],
      [1, 'memory'],
      [1, 'name=systemd'],
      [2],
    ])
    expect(isUnified(found)).toBe(false)
    expect(hierarchyOf(found, 'memory')?.point).toBe(`${root}/memory`)
    expect(hierarchyOf(found, 'hugetlb')?.version).toBe(2)
  })

  test('version 2 alone, mounted where a space is in the name, once for two mounts', () => {
    const mountinfo = [mounted('unified', 'cgroup2', 'rw'), mounted('a\\040b', 'cgroup2', 'rw')].join('\n')
    expect(cgroupHierarchies(mountinfo)).toEqual([{ point: `${root}/a b`, version: 2, controllers: [] }])
    expect(isUnified(cgroupHierarchies(mountinfo))).toBe(true)
  })

  test.each([
    ['after', ['unified', 'a\\040b']],
    ['before', ['a\\040b', 'unified']],
  ])('the usual mount counts, where another program has one of its own %s it', (_, points) => {
    const mountinfo = points.map((point) => mounted(point, 'cgroup2', 'rw')).join('\n')
    const usual = { point: `${root}/unified`, version: 2, controllers: [] } as const
    expect(cgroupHierarchies(mountinfo, `${root}/unified`)).toEqual([usual])
  })
})

test('a hierarchy whose source is a dash, as people write it who have none', () => {
  const line = `30 24 0:26 / ${root}/memory rw - cgroup - rw,memory`
  expect(cgroupHierarchies(line)).toEqual([{ point: `${root}/memory`, version: 1, controllers: ['memory'] }])
})

test.each([
  'rw,seclabel,cpu,cpuacct',
  'rw,favordynmods,cpu,cpuacct',
  'rw,context="system_u:object_r:cgroup_t:s0:c1,c2",cpu,cpuacct',
])('what the kernel says of a mount besides is no controller: %s', (options) => {
  const found = cgroupHierarchies(mounted('cpu,cpuacct', 'cgroup', options))
  expect(found.map(({ controllers }) => controllers)).toEqual([['cpu', 'cpuacct']])
})

test('what of a path is missing, the outermost first', () => {
  mkdirSync(`${root}/memory/pods`)
  expect(missingCgroups({ point: `${root}/memory` }, '/pods/a/b')).toEqual(['/pods/a', '/pods/a/b'])
  expect(missingCgroups({ point: `${root}/memory` }, '/')).toEqual([])
})

test('a control file has a number or none', () => {
  const memory = { point: root, version: 1, controllers: ['memory'] } as const
  expect(['limit', 'none', 'absent'].map((name) => readControl(memory, '/memory', name))).toEqual([
    4096,
    undefined,
    undefined,
  ])
})
