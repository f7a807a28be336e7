import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { silentLogger } from '../log.ts'
import {
  addDirectVolume,
  directVolumeDir,
  directVolumeResource,
  markDirectVolume,
  readDirectVolume,
  removeDirectVolume,
  requireSize,
  sandboxesOf,
} from './direct-volume.ts'

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
    device: '/dev/sdb',
    fsType: 'ext4',
    options: ['noatime'],
    fsGroup: { id: 2000, onRootMismatch: true },
  })
  write(note)
  expect(readDirectVolume(volume, root)?.fsGroup).toBeUndefined()
})

test.each(['block', 'directvol', '', null, undefined])('a note of type %p is one of a disk', (type) => {
  write({ ...note, 'volume-type': type, metadata: { createFilesystem: 'false', 'a driver’s own': 'x' } })
  expect(readDirectVolume(volume, root)?.device).toBe('/dev/sdb')
})

test('no note is no direct volume', () => {
  expect(readDirectVolume('/other', root)).toBeUndefined()
  expect(readDirectVolume(`/${'x'.repeat(4000)}`, root)).toBeUndefined()
})

test.each([
  [{ ...note, 'volume-type': 'spdkvol' }, 'volume-type is "spdkvol"'],
  [{ ...note, 'volume-type': 'spoolvol' }, 'volume-type is "spoolvol"'],
  [{ ...note, 'volume-type': 'vfiovol' }, 'volume-type is "vfiovol"'],
  [{ ...note, metadata: { encryptionKey: 'ephemeral' } }, 'encryptionKey'],
  [{ ...note, metadata: { encryptionKey: '' } }, 'encryptionKey'],
  [{ ...note, metadata: { createFilesystem: 'true' } }, 'createFilesystem'],
  [{ ...note, device: 'sdb' }, 'device is no absolute path'],
  [{ ...note, fstype: 'ext4,x' }, 'fstype'],
  [{ ...note, options: 'ro' }, 'options'],
  [{ ...note, metadata: { fsGroup: '-1' } }, 'fsGroup'],
  [{ ...note, metadata: { fsGroup: '4294967296' } }, 'fsGroup'],
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

test.each(['', '-512', '1.5', '0x200', '0', '513', '9'.repeat(20), '9007199254741504'])(
  'a size of %p bytes is refused',
  (size) => {
    expect(() => requireSize(volume, size)).toThrow('[DIRECT_VOLUME_SIZE]')
  },
)

test('a size of whole sectors is taken', () => {
  expect(requireSize(volume, '1073741824')).toBe(1073741824n)
})

const added = `${volume}-added`

test('what is added is read, and replaced by what is added next; what is removed is not there, as often as asked', () => {
  const text = (fstype: string) => JSON.stringify({ 'volume-type': 'block', device: '/dev/sdb', fstype })
  for (const fsType of ['ext4', 'xfs']) {
    addDirectVolume(added, text(fsType), root)
    expect(readDirectVolume(added, root)).toMatchObject({ device: '/dev/sdb', fsType })
  }
  const directory = directVolumeDir(added, root)
  expect([statSync(directory).mode & 0o777, statSync(`${directory}/mountInfo.json`).mode & 0o777]).toEqual([
    0o700, 0o600,
  ])
  expect(sandboxesOf(added, root)).toEqual([])
  markDirectVolume(`${directory}/pod`)
  expect(sandboxesOf(added, root)).toEqual(['pod'])
  for (let times = 0; times < 2; times++) removeDirectVolume(added, root)
  expect(readDirectVolume(added, root)).toBeUndefined()
  expect(() => sandboxesOf(added, root)).toThrow('DIRECT_VOLUME_MISSING')
})

test.each(['', 'relative'])('no volume is removed by the path "%s", and none of the others', (path) => {
  addDirectVolume(`${volume}-kept`, '{"volume-type":"block","device":"/dev/sdb","fstype":"ext4"}', root)
  expect(() => removeDirectVolume(path, root)).toThrow('[DIRECT_VOLUME_INVALID]')
  expect(readDirectVolume(`${volume}-kept`, root)?.device).toBe('/dev/sdb')
})

test.each([
  [
    'a type that is not known',
    `${volume}-no`,
    '{"volume-type":"spdkvol","device":"/dev/sdb","fstype":"ext4"}',
  ],
  ['text that is no JSON', `${volume}-no`, '{'],
  ['a path that is not absolute', 'volume', '{"volume-type":"block","device":"/dev/sdb","fstype":"ext4"}'],
])('%s is not added, and leaves nothing', (_what, path, text) => {
  expect(() => addDirectVolume(path, text, root)).toThrow('DIRECT_VOLUME_INVALID')
  expect(existsSync(directVolumeDir(path, root))).toBe(false)
})
