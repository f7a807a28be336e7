import { expect, test } from 'bun:test'
import { diskTool } from './disk-tool.ts'

test('a program that makes no disks here is told with the packages that bring it', () => {
  expect(() => diskTool('mkfs.nothing')).toThrow(
    /^\[ROOTFS_DISK_TOOL\] mkfs\.nothing was not found in \/usr\/bin, \/usr\/sbin\. .*e2fsprogs, erofs-utils and coreutils/,
  )
  expect(diskTool('sh')).toBe('/usr/bin/sh')
})
