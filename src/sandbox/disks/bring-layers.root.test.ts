import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { HostDisk } from '../../devices/host-disk.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { silentLogger } from '../../log.ts'
import type { DiskUse } from '../storage/disks.ts'
import { bringLayers, guestPlaces, type LayerTools, removeScratchDisk } from './bring-layers.ts'
import { emptyDirDiskResource, imageName } from './empty-dir-image.ts'
import { modulesOf } from './layer-verity.ts'
import { type LayeredRootfs, layeredRootfs } from './layered-rootfs.ts'

let dir: string
let ledger: Ledger
let attached: { name: string; access: DiskUse }[]
beforeEach(() => {
  dir = mkdtempSync('/var/tmp/kata-ts-layers-')
  ledger = new Ledger(`${dir}/ledger`, [emptyDirDiskResource], silentLogger)
  attached = []
  mkdirSync(`${dir}/fs`)
  chmodSync(`${dir}/fs`, 0o751)
  for (const name of ['1', '2', 'rw']) writeFileSync(`${dir}/${name}`, name)
})
afterEach(() => rmSync(dir, { recursive: true }))

const tools = (disableBlockDeviceUse = false): LayerTools => ({
  ledger,
  hypervisor: { disableBlockDeviceUse, blockDeviceCacheSet: false, blockDeviceCacheDirect: false },
  stateDir: dir,
  disks: {
    async attach(_container: string, { name }: HostDisk, access: DiskUse) {
      attached.push({ name: name.replace(`${dir}/`, ''), access })
      return { id: 'x', address: { driver: 'scsi', address: `0:${attached.length}` }, isNew: true }
    },
  },
})

const layer = (name: string) => ({ type: 'erofs', source: `${dir}/${name}`, options: ['ro', 'loop'] })
const read = (recipe: readonly string[], ...first: { type: string; source: string; options: string[] }[]) =>
  layeredRootfs(
    [...first, layer('2'), layer('1'), { type: 'format/mkdir/overlay', source: 'overlay', options: recipe }],
    'web',
    guestPlaces('web'),
  ) as LayeredRootfs
const [ro, rw] = [true, false].map((readonly) => ({ readonly, direct: false }))

test('layers can only be read, the disk above them be written, and the overlay comes last', async () => {
  const recipe = ['lowerdir={{ overlay 1 2 }}', 'upperdir={{ mount 0 }}/u', 'workdir={{ mount 0 }}/w']
  const first = { type: 'ext4', source: `${dir}/rw`, options: ['rw', 'loop'] }
  const { path, storages } = await bringLayers(tools(), 'web', read(recipe, first))
  expect(attached).toEqual([
    { name: 'rw', access: rw! },
    { name: '2', access: ro! },
    { name: '1', access: ro! },
  ])
  expect(storages.map(({ driver, source, fstype, options }) => [driver, source, fstype, options[0]])).toEqual(
    [
      ['scsi', '0:1', 'ext4', 'rw'],
      ['scsi', '0:2', 'erofs', 'ro'],
      ['scsi', '0:3', 'erofs', 'ro'],
      ['overlayfs', 'overlay', 'overlay', `lowerdir=${storages[1]!.mountPoint}:${storages[2]!.mountPoint}`],
    ],
  )
  expect(path).toBe(storages[3]!.mountPoint)
})

test('without layers the root is a directory that the agent makes on the disk', async () => {
  const disk = { type: 'ext4', source: `${dir}/rw`, options: ['rw', 'loop'] }
  const bind = { type: 'format/mkdir/bind', source: '{{ mount 0 }}/upper', options: ['rw', 'rbind'] }
  const layers = layeredRootfs([disk, bind], 'web', guestPlaces('web')) as LayeredRootfs
  const { path, storages } = await bringLayers(tools(), 'web', layers)
  expect(attached).toEqual([{ name: 'rw', access: rw! }])
  expect(storages.map(({ driver, mountPoint }) => [driver, mountPoint])).toEqual([
    ['scsi', path.replace('/upper', '')],
    ['local', path],
  ])
})

test('files of merged layers are disks of their own, which the guest is told in their order', async () => {
  const merged = { ...layer('2'), options: ['ro', 'loop', `device=${dir}/1`, `device=${dir}/rw`] }
  const bind = { type: 'format/bind', source: '{{ mount 0 }}', options: ['ro', 'rbind'] }
  const layers = layeredRootfs([merged, bind], 'web', guestPlaces('web')) as LayeredRootfs
  const { path, storages } = await bringLayers(tools(), 'web', layers)
  expect(attached.map(({ name, access }) => [name, access])).toEqual(
    ['2', '1', 'rw'].map((name) => [name, ro!]),
  )
  const options = ['ro', 'device=scsi:0:2', 'device=scsi:0:3']
  expect(storages).toEqual([{ driver: 'scsi', source: '0:1', fstype: 'erofs', options, mountPoint: path }])
})

test('merged layers of which one is to be verified are refused, unless dm-verity is off for them', async () => {
  writeFileSync(`${dir}/1.dmverity`, '')
  const merged = (...more: string[]) => {
    const mount = { ...layer('2'), options: ['ro', `device=${dir}/1`, ...more] }
    return bringLayers(tools(), 'web', layeredRootfs([mount], 'web', guestPlaces('web')) as LayeredRootfs)
  }
  await expect(merged()).rejects.toThrow(/ROOTFS_LAYERS.*max_unmerged_layers/)
  expect(attached).toEqual([])
  expect((await merged('X-containerd.dmverity=off')).storages[0]?.options).toEqual(['ro', 'device=scsi:0:2'])
})

test('what a layer is verified by reaches the guest, and one that cannot be verified is not plugged in', async () => {
  const rootHash = 'ab'.repeat(32)
  writeFileSync(`${dir}/1.dmverity`, JSON.stringify({ roothash: rootHash, hashoffset: 4096 }))
  const recipe = ['lowerdir={{ overlay 0 1 }}']
  // As containerd takes it: a note beside a layer counts.
  const { storages } = await bringLayers(tools(), 'web', read(recipe))
  expect(storages.map(({ options }) => options).slice(0, 2)).toEqual([
    ['ro'],
    [
      ...['ro', 'X-kata.dmverity-enabled=true', `X-kata.dmverity.roothash=${rootHash}`],
      'X-kata.dmverity.hashoffset=4096',
    ],
  ])
  expect(storages.map(modulesOf)).toEqual([['erofs'], ['erofs', 'dm_verity'], ['overlay']])
  attached = []
  writeFileSync(`${dir}/2.dmverity`, '{')
  await expect(bringLayers(tools(), 'web', read(recipe))).rejects.toMatchObject({ code: 'ROOTFS_LAYERS' })
  expect(attached).toEqual([])
})

test('an upper directory of the host has a sparse disk until the container is gone', async () => {
  const recipe = ['lowerdir={{ overlay 0 1 }}', `upperdir=${dir}/fs`, `workdir=${dir}/work`]
  // Of an earlier container, after a crash.
  writeFileSync(`${dir}/fs/.kata-ts-old.img`, 'old')
  await bringLayers(tools(), 'web', read(recipe))
  expect(readdirSync(`${dir}/fs`)).toEqual([imageName('web')])
  const { mode, size, blocks } = statSync(`${dir}/fs/${imageName('web')}`)
  expect([mode & 0o7777, blocks * 512 < size]).toEqual([0o600, true])
  expect(attached.at(-1)).toEqual({ name: `fs/${imageName('web')}`, access: { ...rw!, isScratch: true } })
  for (let times = 0; times < 2; times++) await removeScratchDisk(ledger, 'web')
  expect([readdirSync(`${dir}/fs`), ledger.held]).toEqual([[], []])
})

test('one that has files is refused, as its container would not see them', async () => {
  writeFileSync(`${dir}/fs/kept`, '')
  const recipe = ['lowerdir={{ overlay 0 1 }}', `upperdir=${dir}/fs`, `workdir=${dir}/work`]
  await expect(bringLayers(tools(), 'web', read(recipe))).rejects.toMatchObject({ code: 'ROOTFS_LAYERS' })
  expect(readdirSync(`${dir}/fs`)).toEqual(['kept'])
})

test('where disks are forbidden, nothing is plugged in', async () => {
  const bring = bringLayers(tools(true), 'web', read(['lowerdir={{ overlay 0 1 }}']))
  await expect(bring).rejects.toMatchObject({ code: 'DEVICE_VOLUMES_DISABLED' })
  expect(attached).toEqual([])
})
