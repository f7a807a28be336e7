import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Storage } from '../../../../src/protocol/generated/agent.ts'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'storage-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module, started } = await loadOnHost<typeof import('./storage.ts')>(
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
