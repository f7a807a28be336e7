import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import type { DiskAccess, HostDisk } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { bindMount, unmountBelow } from '../../linux/mounts/mount.ts'
import { silentLogger } from '../../log.ts'
import type { OciMount } from '../../oci/spec.ts'
import { diskBytes, emptyDirDiskResource, imageName, makeEmptyDirImage } from './empty-dir-image.ts'
import { EmptyDirs, pathWithin } from './empty-dirs.ts'

/** Of the pod. */
const uid = '6b1f'
let area: string
let pod: string
let volume: string
let part: string
let ledger: Ledger
let attached: { user: string; disk: string; access: DiskAccess }[]
let count = 0

beforeAll(() => {
  area = mkdtempSync('/var/tmp/kata-ts-emptydir-')
  pod = `${area}/pods/${uid}`
  volume = `${pod}/volumes/kubernetes.io~empty-dir/scratch`
  part = `${pod}/volume-subpaths/scratch/app/0`
  for (const directory of [`${volume}/deep/part`, part, `${pod}/other/part`])
    mkdirSync(directory, { recursive: true })
  chownSync(volume, 0, 2000)
  chmodSync(volume, 0o2777)
  bindMount(`${volume}/deep/part`, part)
})
afterAll(() => {
  unmountBelow(area)
  rmSync(area, { recursive: true })
})
beforeEach(() => {
  ledger = new Ledger(`${pod}/ledger-${++count}`, [emptyDirDiskResource], silentLogger)
  attached = []
})

function emptyDirs(emptydirMode: 'shared-fs' | 'block-plain' = 'block-plain'): EmptyDirs {
  const disks = {
    async attach(user: string, { name }: HostDisk, access: DiskAccess) {
      attached.push({ user, disk: name, access })
      return { id: 'disk1', address: { driver: 'scsi', address: '0:1' } as const, isNew: true }
    },
  }
  const config = { runtime: { emptydirMode, emptydirDiskSize: 8 } } as never
  return new EmptyDirs({ sandboxId: 'pod', config, ledger, disks, stateDir: pod })
}
const bind = (source: string): OciMount => ({ destination: '/x', type: 'bind', source, options: ['rbind'] })
const image = () => `${volume}/${imageName('pod')}`

test('two containers get one disk, with a directory of the volume’s owner and mode, and it goes with the sandbox', async () => {
  const volumes = emptyDirs()
  const [one, two] = await Promise.all(
    ['a', 'b'].map((container) => volumes.volumeOf(bind(volume), container, uid)),
  )
  const mountPoint = '/run/kata-containers/sandbox/emptydir/scratch'
  const options = ['noinit_itable', 'no_prefetch_block_bitmaps', 'discard']
  expect(one).toEqual({
    storages: [{ driver: 'scsi', source: '0:1', fstype: 'ext4', options, mountPoint, shared: true }],
    guestPath: `${mountPoint}/files`,
  })
  expect(two).toEqual(one)
  const access = { readonly: false, direct: false, isScratch: true }
  expect(attached).toEqual([{ user: `emptyDir ${volume}`, disk: image(), access }])
  const { size, mode, blocks } = statSync(image())
  expect([size, mode & 0o7777, blocks * 512 < size / 4]).toEqual([8 << 20, 0o600, true])
  const { stdout } = Bun.spawnSync(['debugfs', '-R', 'stat /files', image()])
  expect(stdout.toString()).toMatch(/Mode: +02777[\s\S]*Group: +2000/)
  await ledger.releaseAll()
  expect(readdirSync(volume)).toEqual(['deep'])
})

test('a subPath is a part of the volume’s disk, with the mode that kubelet gave it', async () => {
  chmodSync(part, 0o777)
  const found = await emptyDirs().volumeOf(bind(part), 'app', uid)
  const guestPath = '/run/kata-containers/sandbox/emptydir-parts/app-scratch-0'
  expect(found?.guestPath).toBe(guestPath)
  expect(found?.storages[1]).toMatchObject({
    driver: 'local',
    source: '/run/kata-containers/sandbox/emptydir/scratch/files',
    options: ['subpath=deep/part', 'mode=777'],
    mountPoint: guestPath,
    shared: false,
  })
  await ledger.releaseAll()
})

test('other sources are no business of it, nor is any with "shared-fs"', async () => {
  for (const source of [`${pod}/other`, '/etc/hosts', `${pod}/volumes/kubernetes.io~empty-dir/absent`])
    expect(await emptyDirs().volumeOf(bind(source), 'app', uid)).toBeUndefined()
  expect(await emptyDirs('shared-fs').volumeOf(bind(volume), 'app', uid)).toBeUndefined()
  expect([attached, ledger.held]).toEqual([[], []])
})

test('what only looks like an emptyDir is none: of another pod, of no pod, or by dots; nothing is removed or made there', async () => {
  writeFileSync(`${volume}/.kata-ts-other.img`, 'the disk of another sandbox')
  const emptyDirsOf = `${pod}/volumes/kubernetes.io~empty-dir`
  for (const [source, podUid] of [
    [volume, 'another'],
    [volume, undefined],
    [part, 'another'],
    [part, undefined],
    [`${emptyDirsOf}/.`, uid],
    [`${emptyDirsOf}/..`, uid],
    [`${emptyDirsOf}/other/../scratch`, uid],
    [`${pod}/volume-subpaths/../app/0`, uid],
    [`${area}/pods/another/../${uid}/volumes/kubernetes.io~empty-dir/scratch`, uid],
  ] as const)
    expect([source, await emptyDirs().volumeOf(bind(source), 'app', podUid)]).toEqual([source, undefined])
  expect([attached, ledger.held, readdirSync(volume)]).toEqual([[], [], ['.kata-ts-other.img', 'deep']])
  rmSync(`${volume}/.kata-ts-other.img`)
})

test('a link that a pod has made in the place of the volume leads to nothing that is removed or made', async () => {
  const others = `${pod}/others`
  const link = `${pod}/volumes/kubernetes.io~empty-dir/link`
  mkdirSync(others)
  writeFileSync(`${others}/.kata-ts-other.img`, 'the disk of another sandbox')
  symlinkSync(others, link)
  const failure = await emptyDirs()
    .volumeOf(bind(link), 'app', uid)
    .catch((error) => error)
  expect([readdirSync(others), ledger.held]).toEqual([['.kata-ts-other.img'], []])
  expect(failure).toMatchObject({ code: 'SOURCE_LINK', fields: { source: link, link } })
  expect(attached).toEqual([])
  // Control: of the directory itself it is an image that an earlier sandbox left.
  const real = `${pod}/volumes/kubernetes.io~empty-dir/real`
  renameSync(others, real)
  await emptyDirs().volumeOf(bind(real), 'app', uid)
  expect(readdirSync(real)).toEqual([imageName('pod')])
  await ledger.releaseAll()
})

test('where something is bound from, below a directory and not', () => {
  expect(pathWithin(volume, part)).toBe('deep/part')
  expect(pathWithin(`${pod}/other`, part)).toBeUndefined()
  expect(pathWithin(volume, `${pod}/other`)).toBeUndefined()
})

test('a link in place of the file is not followed, and what mkfs cannot make is an error that leaves nothing', async () => {
  const target = `${pod}/target`
  symlinkSync(target, image())
  const request = { directory: volume, bytes: 8 << 20, scratch: pod }
  await expect(makeEmptyDirImage(image(), request)).rejects.toThrow('EEXIST')
  rmSync(image())
  const failure = await makeEmptyDirImage(image(), { ...request, bytes: 4096 }).catch((error) => error)
  expect(failure).toBeInstanceOf(KataError)
  expect(failure).toMatchObject({ code: 'EMPTYDIR_DISK_FAILED', fields: { directory: volume } })
  expect([readdirSync(volume), readdirSync(pod).filter((name) => name.startsWith('emptydir-'))]).toEqual([
    ['deep'],
    [],
  ])
})

test('without a size of its own a disk is as large as the file system that it lies on', () => {
  const { size } = statSync('/')
  expect(diskBytes(volume, 3)).toBe(4 << 20)
  expect(diskBytes(volume, 0)).toBeGreaterThan(size)
  expect(diskBytes(volume, 0) % 4096).toBe(0)
})

test('the largest disk is a file that an ext4 of the host takes', () => {
  const bytes = diskBytes(volume, 16_777_216)
  expect(bytes).toBe(2 ** 44 - 4096)
  const path = `${area}/largest`
  writeFileSync(path, '')
  truncateSync(path, bytes)
  rmSync(path)
})

test('an image for which there is no room to make it leaves neither a file nor a descriptor', async () => {
  const path = `${volume}/${imageName('pod')}`
  const nothingStaysOpen = watchOpenFiles()
  const making = makeEmptyDirImage(path, { directory: volume, bytes: 4 << 20, scratch: `${pod}/not-there` })
  await expect(making).rejects.toThrow('ENOENT')
  expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined()
  await nothingStaysOpen()
})
