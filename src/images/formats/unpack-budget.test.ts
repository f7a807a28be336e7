import { expect, test } from 'bun:test'
import { type Counted, UnpackBudget } from './unpack-budget.ts'

const attribute = (bytes: number) => new Map([['user.x', new Uint8Array(bytes)]])

test.each<[string, Partial<Counted>, number]>([
  ['an empty file', {}, 0],
  ['the first byte of a file', { size: 1 }, 4096],
  ['a file of two blocks', { size: 4097 }, 8192],
  ['a directory', { type: 'directory' }, 4096],
  ['a short link', { type: 'symlink', linkName: 'x'.repeat(59) }, 0],
  ['a long link', { type: 'symlink', linkName: 'ä'.repeat(30) }, 4096],
  ['attributes', { xattrs: attribute(10) }, 4096],
  ['attributes whose names make another block', { xattrs: attribute(4091) }, 8192],
])('%s takes what it takes of the disk', (_, entry, bytes) => {
  const counted = { type: 'file', size: 0, name: 'a', ...entry }
  const exact = new UnpackBudget({ bytes, entries: 1 })
  exact.take(counted)
  expect(exact.bytes).toBe(bytes)
  if (bytes > 0)
    expect(() => new UnpackBudget({ bytes: bytes - 1, entries: 1 }).take(counted)).toThrow(
      '[ROOTFS_TOO_LARGE]',
    )
})
