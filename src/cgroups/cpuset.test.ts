import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseCpuList, writeCpuset } from './cpuset.ts'

test('lists are read as the kernel writes them', () => {
  expect(parseCpuList('0')).toEqual([0])
  expect(parseCpuList(' 8,0-2,1 \n')).toEqual([0, 1, 2, 8])
})

test.each(['', '1-', '3-1', 'a', '-1', '0,,1', '0-99999', '8192'])('%j is refused', (list) => {
  expect(() => parseCpuList(list)).toThrow('[CPUSET_INVALID]')
})

test.each([1, 2] as const)('version %i: what is named is written, what is not is inherited', (version) => {
  const point = mkdtempSync(`${tmpdir()}/cpuset-`)
  try {
    mkdirSync(`${point}/pod`)
    const hierarchy = { point, version, controllers: version === 1 ? ['cpuset'] : [] }
    const file = (name: string) => `${point}/${name}`
    expect(writeCpuset(hierarchy, '/pod', { cpus: [0], mems: [] })).toBe(false)
    for (const [name, value] of [
      // The root of version 2 has no others.
      [version === 1 ? 'cpuset.cpus' : 'cpuset.cpus.effective', '0-3'],
      [version === 1 ? 'cpuset.mems' : 'cpuset.mems.effective', '0'],
      ['pod/cpuset.cpus', ''],
      ['pod/cpuset.mems', ''],
    ] as const)
      writeFileSync(file(name), value)
    const now = () => ['pod/cpuset.cpus', 'pod/cpuset.mems'].map((name) => readFileSync(file(name), 'utf8'))
    expect(writeCpuset(hierarchy, '/pod', { cpus: [1, 2], mems: [] })).toBe(true)
    expect(now()).toEqual(['1,2', version === 1 ? '0' : ''])
    writeCpuset(hierarchy, '/pod', { cpus: [], mems: [] })
    expect(now()).toEqual(version === 1 ? ['0-3', '0'] : ['0-3', ''])
  } finally {
    rmSync(point, { recursive: true })
  }
})
