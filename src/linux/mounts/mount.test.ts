import { expect, test } from 'bun:test'
import { mountEntries, mountsBelow } from './mount.ts'

test('what is mounted below a directory: not the directory itself, nor one whose name begins with its own', () => {
  const points = mountEntries().map(({ point }) => point)
  const below = (directory: string) => mountsBelow(directory).map(({ point }) => point)
  expect(below('/')).toEqual(points.filter((point) => point !== '/'))
  expect(below('/')).toContain('/proc')
  expect(below('/proc')).not.toContain('/proc')
  expect(below('/pro')).toEqual([])
})
