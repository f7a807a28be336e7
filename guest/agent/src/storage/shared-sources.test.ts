import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'sources-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module, started, mounts } = await loadOnHost<typeof import('./shared-sources.ts')>(
  'storage/shared-sources.ts',
  join(top, 'share'),
  join(top, 'machine'),
)

test('what the share shows is entered by a child, which others do not wait for', async () => {
  const ended = Promise.withResolvers<number>()
  const sources = new module.SharedSources('/share', () => ended.promise)
  let isHeld = false
  const held = sources.hold('c', ['/share/root', '/elsewhere', '/share/data']).then(() => {
    isHeld = true
  })
  await Bun.sleep(5)
  expect(started).toEqual(['enter /share/root /share/data'])
  expect(isHeld).toBe(false)
  ended.resolve(0)
  await held
  await sources.hold('d', ['/elsewhere'])
  expect(started).toHaveLength(1)
})

test('a share that does not answer fails the container alone', async () => {
  const sources = new module.SharedSources('/share', () => new Promise<never>(() => {}))
  const before = started.length
  await expect(sources.hold('c', ['/share/hung'])).rejects.toMatchObject({ code: 'deadline_exceeded' })
  expect(started.slice(before)).toEqual(['enter /share/hung', `kill ${before + 1} 9`])
})

test('what containers share stays until the last of them has left, and then until the share is at rest', async () => {
  const connection = join(top, 'machine/sys/fs/fuse/connections/1')
  mkdirSync(connection, { recursive: true })
  const waiting = (count: number) => writeFileSync(join(connection, 'waiting'), String(count))
  waiting(0)
  const sources = new module.SharedSources('/share', async () => 0)
  for (const id of ['c', 'd']) await sources.hold(id, ['/share/data'])
  const all = mounts as string[]
  all.push('share /share/data virtiofs 0 ')
  await sources.leave('c')
  expect(mounts).toHaveLength(1)
  waiting(1)
  await sources.leave('d')
  expect(mounts).toHaveLength(1)
  waiting(0)
  await sources.leave('another')
  expect(mounts).toEqual([])
})
