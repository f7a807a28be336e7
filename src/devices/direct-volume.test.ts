import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { silentLogger } from '../log.ts'
import { directVolumeDir, directVolumeResource, markDirectVolume, readDirectVolume } from './direct-volume.ts'

let root: string
const volume = '/var/lib/kubelet/pods/1/volumes/x?~>'
beforeAll(() => {
  root = mkdtempSync('/tmp/direct-volume-')
  mkdirSync(directVolumeDir(volume, root))
})
afterAll(() => rmSync(root, { recursive: true }))

const note = { 'volume-type': 'block', device: '/dev/sdb', fstype: 'ext4', options: ['noatime'] }
const write = (content: unknown) =>
  writeFileSync(`${directVolumeDir(volume, root)}/mountInfo.json`, JSON.stringify(content))

test('a volume’s directory has its path in base64 for URLs, as Kata’s tools name it', () => {
  expect(directVolumeDir('/a?>', '/r')).toBe('/r/L2E_Pg==')
})

test('the note says which disk, and for which group', () => {
  write({ ...note, metadata: { fsGroup: '2000', fsGroupChangePolicy: 'OnRootMismatch' } })
  expect(readDirectVolume(volume, root)).toMatchObject({
    ...{ device: '/dev/sdb', fsType: 'ext4', options: ['noatime'] },
    fsGroup: { id: 2000, onRootMismatch: true },
  })
  write(note)
  expect(readDirectVolume(volume, root)?.fsGroup).toBeUndefined()
})

test('no note is no direct volume', () => {
  expect(readDirectVolume('/other', root)).toBeUndefined()
  expect(readDirectVolume(`/${'x'.repeat(4000)}`, root)).toBeUndefined()
})

test.each([
  [{ ...note, 'volume-type': 'spdkvol' }, 'volume-type is "spdkvol"'],
  [{ ...note, device: 'sdb' }, 'device is no absolute path'],
  [{ ...note, fstype: 'ext4,x' }, 'fstype'],
  [{ ...note, options: 'ro' }, 'options'],
  [{ ...note, metadata: { fsGroup: '-1' } }, 'fsGroup'],
  [{ ...note, padding: 'x'.repeat(70_000) }, 'more than'],
])('a note that makes no sense is refused', (content, reason) => {
  write(content)
  expect(() => readDirectVolume(volume, root)).toThrow(new RegExp(`^\\[DIRECT_VOLUME_INVALID\\].*${reason}`))
})

test('the sandbox’s mark is made and taken away', async () => {
  const path = `${directVolumeDir(volume, root)}/pod`
  markDirectVolume(path)
  expect(existsSync(path)).toBe(true)
  for (let times = 0; times < 2; times++)
    await directVolumeResource.release({ path, owner: 'c1' }, silentLogger)
  expect(existsSync(path)).toBe(false)
})
