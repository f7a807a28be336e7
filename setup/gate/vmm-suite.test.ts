import { expect, test } from 'bun:test'
import { features } from '../../e2e/vmm-features.ts'
import { drivers } from '../../src/config/drivers.ts'
import { vmmSuite, vmmsOf } from './vmm-suite.ts'

test('the first line of a file names its VMMs', () => {
  expect(vmmsOf("// test:vmm: every VMM\nimport 'x'\n")).toEqual(drivers)
  expect(vmmsOf("// test:vmm: clh, qemu\nimport 'x'\n")).toEqual(['clh', 'qemu'])
  expect(vmmsOf("import 'x'\n// test:vmm: every VMM\n")).toEqual([])
  expect(() => vmmsOf('// test:vmm: vmware\n')).toThrow('test:vmm: vmware; known are: every VMM, qemu')
})

test.each([...drivers])('%s: every file that shows a feature is in the suite', (driver) => {
  const suite = vmmSuite(driver)
  const shown = features.flatMap(({ tests, own }) =>
    [...tests, ...(own?.[driver] ?? [])].map(([file]) => file),
  )
  expect([...new Set(shown)].filter((file) => !suite.includes(file))).toEqual([])
})

test('files about one VMM come first, and only with that VMM', () => {
  expect(vmmSuite('clh')[0]).toBe('clh')
  expect(vmmSuite('qemu')).not.toContain('clh')
  expect(vmmSuite('qemu', 'containerd/ctr')).toEqual(['containerd/ctr'])
})
