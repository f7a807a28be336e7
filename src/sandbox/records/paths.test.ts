import { expect, test } from 'bun:test'
import { dirname } from 'node:path'
import { sandboxKey, sandboxPaths } from './paths.ts'

test('everything of a sandbox lies below its own directory', () => {
  const paths = sandboxPaths('/run/x', 'k8s.io', 'abc')
  expect(paths.stateDir).toBe('/run/x/k8s.io/abc')
  expect(paths.ledger.startsWith(paths.stateDir)).toBe(true)
})

test.each([
  ['', 'a'],
  ['ns', ''],
  ['ns', '../escape'],
  ['..', 'a'],
  ['ns', 'a/b'],
  ['ns', 'x'.repeat(77)],
  // Names that the run directory itself uses.
  ['uids', 'a'],
  ['s', 'a'],
  ['vm', 'a'],
])('namespace %j and id %j are refused', (namespace, id) => {
  expect(() => sandboxPaths('/run/x', namespace, id)).toThrow('ID_INVALID')
})

test('both shares of a sandbox are shown beside each other, under names of their own', () => {
  const { exportDir, volumesExportDir } = sandboxPaths('/run/x', 'default', 'a')
  expect(volumesExportDir).not.toBe(exportDir)
  expect(dirname(volumesExportDir)).toBe(dirname(exportDir))
})

test('an id may be called what a namespace may not', () => {
  expect(sandboxPaths('/run/x', 'default', 'uids').stateDir).toBe('/run/x/default/uids')
})

test('the short key tells sandboxes apart and fits into socket paths', () => {
  expect(sandboxKey('a', 'b')).not.toBe(sandboxKey('a', 'c'))
  expect(sandboxKey('k8s.io', 'x'.repeat(76)).length).toBe(24)
})
