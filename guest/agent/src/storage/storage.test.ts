import { afterAll, expect, test } from 'bun:test'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Storage } from '../../../../src/protocol/generated/agent.ts'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'storage-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module, started, mounts } = await loadOnHost<typeof import('./storage.ts')>(
  'storage/storage.ts',
  join(top, 'share'),
)
const disk = { node: '/dev/absent', major: 8n, minor: 0n }

test('a file system on a disk is written back by a process of its own, which others do not wait for', async () => {
  const ended = Promise.withResolvers<number>()
  let isAway = false
  const unmounted = module.unmountStorage({ mountPoint: '/data', disk }, (pid) => {
    expect(started[pid - 1]).toBe('sync /data')
    return ended.promise
  })
  void unmounted.then(() => {
    isAway = true
  })
  await Bun.sleep(5)
  expect(isAway).toBe(false)
  ended.resolve(0)
  await unmounted
  await module.unmountStorage({ mountPoint: '/over', isOverlay: true }, async () => 5)
  expect(started).toEqual(['sync /data', 'sync /over'])
})

test('a disk that never takes what is written holds up nobody for ever, and can be taken away later', async () => {
  const directory = join(top, 'share.kata-containers/sandbox/stuck/0')
  mkdirSync(directory, { recursive: true })
  const storage = { mountPoint: directory, disk }
  await expect(module.unmountStorage(storage, () => new Promise(() => {}))).rejects.toMatchObject({
    code: 'deadline_exceeded',
    message: `${directory} is not written back after 55000 ms`,
  })
  expect(existsSync(directory)).toBe(true)
  await module.unmountStorage(storage, async () => 0)
  expect(existsSync(directory)).toBe(false)
})

test.each(['relative', '', '/run/../etc', '/run/..'])('nothing is mounted at %j', async (mountPoint) => {
  const storage = Storage.fromPartial({ driver: 'ephemeral', mountPoint })
  await expect(module.mountStorage(storage, async () => 0)).rejects.toMatchObject({
    code: 'invalid_argument',
    message: `storage mount point ${mountPoint} is not an absolute path`,
  })
})

test('a disk that is shown as such has no file system to be written back, and others have nothing to write', async () => {
  const before = started.length
  await module.unmountStorage({ mountPoint: '/node', disk: { ...disk, shown: 'rwm' } }, async () => 0)
  await module.unmountStorage({ mountPoint: '/layer', disk: { ...disk, isReadOnly: true } }, async () => 0)
  await module.unmountStorage({ mountPoint: '/memory' }, async () => 0)
  expect(started.length).toBe(before)
})

test.each([
  ['memory whose group is no number', { driver: 'ephemeral', options: ['fsgid=all'] }],
  ['memory', { driver: 'ephemeral', fsGroup: { groupId: 2 ** 40 } }],
  ['a share', { driver: 'virtio-fs', source: 'kataShared', fsGroup: { groupId: 2 ** 40 } }],
  ['a part of a volume', { driver: 'local', options: ['subpath=.'], fsGroup: { groupId: 2 ** 40 } }],
])('%s that cannot be given to its group does not stay mounted', async (_kind, storage) => {
  const mountPoint = join(top, 'half-made')
  const failing = Storage.fromPartial({ source: top, ...storage, mountPoint })
  await expect(module.mountStorage(failing, async () => 0)).rejects.toThrow()
  expect(mounts.filter((line) => line.includes(mountPoint))).toEqual([])
})

const asRoot = test.skipIf(process.getuid?.() !== 0)
const factsOf = (path: string) => {
  const { gid, mode } = lstatSync(path)
  return [gid, mode & 0o7777]
}
const partOf = (name: string, options: string[]) => {
  const source = join(top, name)
  mkdirSync(source, { recursive: true })
  const mountPoint = join(top, `${name}-part`)
  return { source, storage: Storage.fromPartial({ driver: 'local', source, options, mountPoint }) }
}

asRoot('a part of a volume has the mode and group of the host’s when it is made', async () => {
  const { source, storage } = partOf('open', ['subpath=deep/part', 'mode=777'])
  await module.mountStorage(storage, async () => 0)
  expect([factsOf(`${source}/deep`), factsOf(`${source}/deep/part`)]).toEqual(Array(2).fill([0, 0o777]))
  const group = partOf('grouped', ['subpath=deep/part', 'mode=755', 'fsgid=2000'])
  await module.mountStorage(group.storage, async () => 0)
  for (const path of ['deep', 'deep/part']) expect(factsOf(`${group.source}/${path}`)).toEqual([2000, 0o2775])
})

asRoot('a part that is there keeps the mode that its container has given it', async () => {
  const { source, storage } = partOf('private', ['subpath=data', 'mode=777', 'fsgid=2000'])
  await module.mountStorage(storage, async () => 0)
  chmodSync(`${source}/data`, 0o700)
  await module.mountStorage(storage, async () => 0)
  expect(factsOf(`${source}/data`)).toEqual([2000, 0o700])
  // What the container sees is what is mounted.
  expect(factsOf(storage.mountPoint)).toEqual([0, 0o755])
})

test.each(['kata-containers/sandbox/storage', 'layers'])(
  'containers that come and go leave no mount points in the guest’s memory, below %s',
  async (directory) => {
    const { storage } = partOf('volume', ['subpath=data'])
    const places = join(top, `share.${directory}`)
    const of = (container: string, part: object = storage) =>
      Storage.fromPartial({ ...part, mountPoint: `${places}/${container}/0` })
    const other = await module.mountStorage(of('other'), async () => 0)
    const mounted = await module.mountStorage(of('one'), async () => 0)
    await module.unmountStorage(mounted, async () => 0)
    await expect(module.mountStorage(of('failed', { driver: 'unknown' }), async () => 0)).rejects.toThrow()
    expect(readdirSync(places)).toEqual(['other'])
    await module.unmountStorage(other, async () => 0)
    expect(existsSync(`${places}/other`)).toBe(false)
  },
)

test('a mount point of the share is the host’s, and stays', async () => {
  const mountPoint = join(top, 'share.kata-containers/shared/containers/one/rootfs')
  mkdirSync(mountPoint, { recursive: true })
  await module.unmountStorage({ mountPoint }, async () => 0)
  expect(existsSync(mountPoint)).toBe(true)
})

test('a directory on a disk of the container’s stays there, for it is none of the guest’s', async () => {
  const mountPoint = join(top, 'share.layers/0a1b/rw/upper')
  const directory = Storage.fromPartial({ driver: 'local', options: ['mode=0755'], mountPoint })
  const mounted = await module.mountStorage(directory, async () => 0)
  await module.unmountStorage(mounted, async () => 0)
  expect(existsSync(mountPoint)).toBe(true)
})
