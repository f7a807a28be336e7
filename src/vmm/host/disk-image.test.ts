import { afterAll, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, readSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { openDiskImage } from './disk-image.ts'

const directory = mkdtempSync(`${tmpdir()}/disk-image-`)
afterAll(() => rmSync(directory, { recursive: true }))

const image = `${directory}/disk.img`
writeFileSync(image, 'a disk')
symlinkSync(image, `${directory}/link`)
writeFileSync(`${directory}/empty`, '')
Bun.spawnSync(['mkfifo', `${directory}/fifo`])

test.each([image, `${directory}/link`])('%s is opened for reading and for nothing else', (path) => {
  const fd = openDiskImage(path)
  const bytes = Buffer.alloc(6)
  expect(readSync(fd, bytes, 0, 6, 0)).toBe(6)
  expect(bytes.toString()).toBe('a disk')
  expect(() => writeSync(fd, 'x')).toThrow('EBADF')
  closeSync(fd)
})

test.each([
  [`${directory}/none`, 'does not exist'],
  [`${image}/below`, 'cannot be opened (ENOTDIR)'],
  [directory, 'is not a regular file'],
  [`${directory}/fifo`, 'is not a regular file'],
  ['/dev/null', 'is not a regular file'],
  [`${directory}/empty`, 'is empty'],
])('%s is refused: %s', (path, reason) => {
  expect(() => openDiskImage(path)).toThrow(
    `[VMM_DISK_IMAGE] the guest cannot boot from the disk image ${path}: it ${reason}`,
  )
})
