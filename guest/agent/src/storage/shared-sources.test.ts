import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'sources-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module, started } = await loadOnHost<typeof import('./shared-sources.ts')>(
  'storage/shared-sources.ts',
  join(top, 'share'),
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
