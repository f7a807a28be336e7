import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { withDirectoryLock } from './directory-lock.ts'

const directory = mkdtempSync(`${tmpdir()}/directory-lock-`)
afterAll(() => rmSync(directory, { recursive: true }))

test('one after the other, and the next one when the first has failed', async () => {
  const steps: string[] = []
  const work = (name: string) => async () => {
    steps.push(`${name} begins`)
    await Bun.sleep(20)
    steps.push(`${name} ends`)
    if (name === 'a') throw new Error('a failed')
    return name
  }
  const first = withDirectoryLock(directory, 10_000, work('a'))
  const second = withDirectoryLock(directory, 10_000, work('b'))
  await expect(first).rejects.toThrow('a failed')
  expect(await second).toBe('b')
  expect(steps).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
})

test('whoever has waited long enough, or has no directory, goes on', async () => {
  const held = Promise.withResolvers<void>()
  const holder = withDirectoryLock(directory, 0, () => held.promise)
  expect(await withDirectoryLock(directory, 0, async () => 'impatient')).toBe('impatient')
  held.resolve()
  await holder
  expect(await withDirectoryLock(`${directory}/gone`, 10_000, async () => 'alone')).toBe('alone')
})
