import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { addDirectVolume } from '../../devices/direct-volume.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import type { DiskGrowth } from './disks.ts'
import { growVolume } from './grow-volume.ts'

const volume = '/volumes/pv'
let root: string
let asked: string[]
let refusal: Error | undefined
beforeEach(() => {
  root = mkdtempSync('/tmp/grow-')
  asked = []
  refusal = undefined
  writeFileSync(`${root}/disk`, '')
  truncateSync(`${root}/disk`, 8192)
  addDirectVolume(
    volume,
    JSON.stringify({ 'volume-type': 'block', device: `${root}/disk`, fstype: 'ext4' }),
    root,
  )
})
afterEach(() => rmSync(root, { recursive: true }))

const grow = (size: bigint, path = volume) => {
  const disks = {
    async grow(id: string, { disk, bytes }: DiskGrowth) {
      asked.push(`disk ${id} of ${disk.size()} for ${bytes}`)
    },
  }
  const agent = {
    async resizeVolume({ volumeGuestPath, size }: { volumeGuestPath?: string; size?: bigint }) {
      if (refusal !== undefined) throw refusal
      asked.push(`guest ${volumeGuestPath} ${size}`)
      return {}
    },
  }
  const place = { guestPath: '/g/0', diskId: 'disk1' }
  return growVolume({ disks, agent } as never, { volume: path, size, place }, root)
}

test('first the disk, then the file system', async () => {
  await grow(4096n)
  expect(asked).toEqual(['disk disk1 of 8192 for 4096', 'guest /g/0 4096'])
})

test.each([0n, 513n, 2n ** 63n])('%d bytes are refused before anything is done', async (size) => {
  await expect(grow(size)).rejects.toThrow('[DIRECT_VOLUME_SIZE]')
  expect(asked).toEqual([])
})

test('a volume without a note is refused', async () => {
  await expect(grow(4096n, '/other')).rejects.toThrow('[DIRECT_VOLUME_MISSING]')
})

test('the words of a guest that cannot are passed on under our code; a lost guest is not a refusal', async () => {
  refusal = new TtrpcError('failed_precondition', 'the guest says: EOPNOTSUPP')
  await expect(grow(4096n)).rejects.toThrow(/^\[DIRECT_VOLUME_NOT_GROWN\].*EOPNOTSUPP/)
  refusal = new Error('lost')
  await expect(grow(4096n)).rejects.toThrow('lost')
})
