import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  closeSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename } from 'node:path'
import { findBlockDevice, findDiskAt, type HostDisk } from './host-disk.ts'

let dir: string
let image: string
beforeAll(() => {
  dir = mkdtempSync('/var/tmp/host-disk-')
  image = `${dir}/disk.img`
  writeFileSync(image, 'content')
  symlinkSync(image, `${dir}/link`)
  writeFileSync(`${dir}/empty`, '')
})
afterAll(() => rmSync(dir, { recursive: true }))

/** How many descriptors of this process are those of the file. */
const openedTimes = (path: string): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return realpathSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length

/** O_ACCMODE and O_DIRECT of a descriptor. */
function flagsOf(disk: HostDisk, access: Parameters<HostDisk['open']>[0]): number {
  const fd = disk.open(access)
  const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!
  closeSync(fd)
  return Number.parseInt(flags, 8) & 0o40003
}

describe('a disk image', () => {
  test('is opened for no more than what was asked for', () => {
    using disk = findDiskAt(image, { kind: 'file' }, 'c1')
    expect(disk).toMatchObject({ name: image, kind: 'file' })
    expect(flagsOf(disk, { readonly: true, direct: false })).toBe(0)
    expect(flagsOf(disk, { readonly: false, direct: false })).toBe(2)
    expect(flagsOf(disk, { readonly: false, direct: true })).toBe(0o40002)
  })

  test('is written by one sandbox at a time, until the last copy of its descriptor is closed', async () => {
    using disk = findDiskAt(image, { kind: 'file' }, 'c1')
    using other = findDiskAt(image, { kind: 'file' }, 'c2')
    const writable = { readonly: false, direct: false }
    const first = disk.open(writable)
    // As the VMM has it once it was handed over.
    const vmm = Bun.spawn(['sleep', '60'], { stdio: [first, 'ignore', 'ignore'] })
    closeSync(first)
    const before = openedTimes(image)
    expect(() => other.open(writable)).toThrow(/^\[DEVICE_IN_USE\] device .*disk\.img of container c2/)
    expect(openedTimes(image)).toBe(before)
    closeSync(other.open({ readonly: true, direct: false }))
    vmm.kill('SIGKILL')
    await vmm.exited
    closeSync(other.open(writable))
  })

  test('is the same by each of its names, and what was found stays when the path becomes another', () => {
    writeFileSync(`${dir}/moving`, 'first')
    using found = findDiskAt(`${dir}/moving`, {}, 'c1')
    rmSync(`${dir}/moving`)
    writeFileSync(`${dir}/moving`, 'second')
    const fd = found.open({ readonly: true, direct: false })
    expect(readFileSync(fd, 'utf8')).toBe('first')
    closeSync(fd)
    using again = findDiskAt(`${dir}/moving`, {}, 'c1')
    expect(again.key).not.toBe(found.key)
    using direct = findDiskAt(image, {}, 'c1')
    using dotted = findDiskAt(`${dir}/../${basename(dir)}/disk.img`, {}, 'c1')
    expect(dotted.key).toBe(direct.key)
  })

  test.each([
    ['nothing there', 'none', {}, 'DEVICE_MISSING'],
    ['an empty file', 'empty', {}, 'DEVICE_KIND'],
    ['a directory', '.', {}, 'DEVICE_KIND'],
    ['a directory where a file was announced', '.', { kind: 'file' }, 'DEVICE_CHANGED'],
    ['a file where a block device was announced', 'disk.img', { kind: 'block' }, 'DEVICE_CHANGED'],
  ] as const)('%s is refused', (_, name, expected, code) => {
    expect(() => findDiskAt(`${dir}/${name}`, expected, 'c1')).toThrow(
      new RegExp(`^\\[${code}\\] device ${dir}/${name === '.' ? '.' : name} of container c1`),
    )
  })

  test('a link that a pod may have made is refused', () => {
    expect(() => findDiskAt(`${dir}/link`, {}, 'c1')).toThrow(/^\[SOURCE_LINK\].*host-disk-\w+\/link /)
  })

  test('a relative path and a character device are refused', () => {
    expect(() => findDiskAt('disk.img', {}, 'c1')).toThrow('[DEVICE_MISSING]')
    expect(() => findDiskAt('/dev/null', {}, 'c1')).toThrow(/^\[DEVICE_KIND\].*a character device/)
  })
})

describe('a block device', () => {
  test('that the kernel does not know is refused', () => {
    expect(() => findBlockDevice({ major: 4000, minor: 1 }, 'c1')).toThrow(/^\[DEVICE_MISSING\].*4000:1/)
  })

  // Which ones a host has is its own business; loop0 is nearly always there.
  test.skipIf(statSync('/dev/loop0', { throwIfNoEntry: false }) === undefined)(
    'is found by its numbers, under the name that the kernel has for it',
    () => {
      using disk = findBlockDevice({ major: 7, minor: 0 }, 'c1')
      expect(disk).toMatchObject({ name: '/dev/loop0', kind: 'block', key: 'block 7:0' })
    },
  )
})
