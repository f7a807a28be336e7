/** Block devices of the host: loop devices, which nobody else has. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { deviceNumbers } from '../linux/device-numbers.ts'
import { makeNode } from '../linux/files/inode.ts'
import { LargeInodes } from '../linux/mounts/large-inodes.double.ts'
import { type LoopDevice, openLoopDevice } from '../linux/mounts/loop-device.ts'
import { findBlockDevice, findDiskAt } from './host-disk.ts'

const { O_RDWR, O_RDONLY, O_EXCL } = constants
const missing = existsSync('/dev/loop-control') ? '' : ' (skipped: this host has no /dev/loop-control)'

describe.skipIf(missing !== '')(`a block device${missing}`, () => {
  let directory: string
  let loops: readonly LoopDevice[]
  const writable = { readonly: false, direct: false }
  const readable = { readonly: true, direct: false }

  beforeAll(() => {
    directory = mkdtempSync('/var/tmp/host-disk-')
    loops = ['one', 'two'].map((name) => {
      writeFileSync(`${directory}/${name}`, '')
      truncateSync(`${directory}/${name}`, 1 << 20)
      const file = openSync(`${directory}/${name}`, 'r+')
      const loop = openLoopDevice(file, { readonly: false })
      closeSync(file)
      return loop
    })
  })
  afterAll(() => {
    for (const loop of loops) loop.close()
    rmSync(directory, { recursive: true })
  })

  test('is written by one sandbox at a time, while others may read it', () => {
    const numbers = deviceNumbers(loops[0]!.device)
    using one = findBlockDevice(numbers, 'c1')
    using two = findBlockDevice(numbers, 'c2')
    const first = one.open(writable)
    try {
      expect(() => two.open(writable)).toThrow(
        /^\[DEVICE_IN_USE\] device \/dev\/loop\d+ of container c2 is in use/,
      )
      closeSync(two.open(readable))
    } finally {
      closeSync(first)
    }
    // The control: nothing but that was in the way.
    closeSync(two.open(writable))
  })

  test('that the host has claimed, as by mounting it, is not written', () => {
    const { path, device } = loops[0]!
    using disk = findBlockDevice(deviceNumbers(device), 'c1')
    const claim = openSync(path, O_RDONLY | O_EXCL)
    try {
      expect(() => disk.open(writable)).toThrow(/^\[DEVICE_IN_USE\].*the host has it mounted or claimed/)
    } finally {
      closeSync(claim)
    }
    closeSync(disk.open(writable))
    // And the other way round.
    const written = disk.open(writable)
    try {
      expect(() => openSync(path, O_RDWR | O_EXCL)).toThrow('EBUSY')
    } finally {
      closeSync(written)
    }
  })

  test('under the name of another one is not the one that was announced', () => {
    const [one, two] = loops.map(({ device }) => device) as [number, number]
    const path = `${directory}/node`
    makeNode(path, { type: 'block', device: two, uid: 0, mode: 0o600 })
    const { major, minor } = deviceNumbers(one)
    expect(() => findDiskAt(path, { kind: 'block', numbers: { major, minor } }, 'c1')).toThrow(
      `but its specification says the block device ${major}:${minor}`,
    )
    using same = findDiskAt(path, { kind: 'block', numbers: deviceNumbers(two) }, 'c1')
    using named = findBlockDevice(deviceNumbers(two), 'c1')
    expect(same.key).toBe(named.key)
    expect([same.size(), same.kind]).toEqual([1 << 20, 'block'])
  })
})

test('two images on a file system of large inode numbers are two disks', () => {
  const directory = mkdtempSync('/var/tmp/host-disk-')
  try {
    using place = new LargeInodes(`${directory}/large`)
    for (const name of ['one', 'two']) writeFileSync(`${place.files}/${name}`, name)
    place.show()
    using one = findDiskAt(`${place.shown}/one`, {}, 'c1')
    using two = findDiskAt(`${place.shown}/two`, {}, 'c2')
    using again = findDiskAt(`${place.shown}/one`, {}, 'c2')
    expect(one.key).not.toBe(two.key)
    expect(again.key).toBe(one.key)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
