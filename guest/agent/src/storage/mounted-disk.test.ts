import { expect, test } from 'bun:test'
import { mountedDisk } from './mounted-disk.ts'

const mounts = `none /run tmpfs rw 0 0
/dev/vda /data ext4 rw,relatime 0 0
/dev/sdb /data xfs rw 0 0
`

test('the newest mount of a disk counts, with its file system', () => {
  expect(mountedDisk(mounts, '/data')).toEqual({ disk: 'sdb', type: 'xfs' })
})

test.each(['/run', '/dat', '/data/x', ''])('no disk is mounted at %p', (path) => {
  expect(mountedDisk(mounts, path)).toBeUndefined()
})
