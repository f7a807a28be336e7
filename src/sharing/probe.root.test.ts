import { expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync, readlinkSync } from 'node:fs'
import { probeMappedMemory, probeMappedOverlay } from './probe.ts'

// Each trial starts a program, which takes a while.
setDefaultTimeout(60_000)

/** Stands for the tmpfs of a kernel before 6.3, because the kernel cannot idmap a ramfs. */
const unmappable = 'ramfs'

const where = () => [
  readlinkSync('/proc/thread-self/ns/mnt'),
  readlinkSync('/proc/thread-self/root'),
  readlinkSync('/proc/thread-self/cwd'),
  readFileSync('/proc/thread-self/mountinfo', 'utf8'),
]

test('a kernel that has both is found to have them, and the process is where it was', async () => {
  const before = where()
  await probeMappedMemory()
  await probeMappedOverlay()
  expect(where()).toEqual(before)
})

test('a file system in memory that takes no map is named, and the process is where it was', async () => {
  const before = where()
  await expect(probeMappedMemory(unmappable)).rejects.toThrow(
    '[SHARE_NOT_IDMAPPABLE] a ramfs cannot be shown to container trial by an unprivileged virtiofsd: its file system cannot be idmapped (EINVAL)',
  )
  expect(where()).toEqual(before)
})

test('where that takes no map, overlays are tried with directories of the disk', async () => {
  await probeMappedOverlay(unmappable)
  await expect(probeMappedOverlay(unmappable, ['/proc', '/sys'])).rejects.toThrow(
    '[SHARE_NOT_IDMAPPABLE] /proc',
  )
})

test('a kernel that refuses the overlay is found to', async () => {
  // The kernel refuses one directory as both layers, too.
  await expect(probeMappedOverlay(unmappable, ['/var/lib', '/var/lib'])).rejects.toThrow(
    '[SHARE_MOUNT_FAILED] mount of type overlay for container trial failed with E',
  )
})
