import { expect, test } from 'bun:test'
import { toolDirectories } from './linux/processes/which.ts'
import { bundleOf } from './own-bundle.ts'

test('an executable belongs to the bundle when it lies in its place', () => {
  expect(bundleOf('/opt/kata-ts/bin/kata-ts')?.programs).toBe('/opt/kata-ts/bin')
  for (const other of ['/usr/bin/kata-ts', '/opt/kata-ts/bin/../kata-ts', '/opt/other/bin/kata-ts'])
    expect(bundleOf(other)).toBeUndefined()
})

test('everything else takes the tools of the distribution', () => {
  expect(toolDirectories).toEqual(['/usr/bin', '/usr/sbin'])
})
