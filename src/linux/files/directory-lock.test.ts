import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { tryDirectoryLock, underDirectoryLock, withBestEffortLock } from './directory-lock.ts'

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
  const first = withBestEffortLock(directory, 10_000, work('a'))
  const second = withBestEffortLock(directory, 10_000, work('b'))
  await expect(first).rejects.toThrow('a failed')
  expect(await second).toBe('b')
  expect(steps).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
})

test('whoever has waited long enough, or has no directory, goes on', async () => {
  const held = Promise.withResolvers<void>()
  const holder = withBestEffortLock(directory, 0, () => held.promise)
  expect(await withBestEffortLock(directory, 0, async () => 'impatient')).toBe('impatient')
  held.resolve()
  await holder
  expect(await withBestEffortLock(`${directory}/gone`, 10_000, async () => 'alone')).toBe('alone')
})

test('work that must not be done without the lock is told that it is busy, or that its directory is gone', async () => {
  const own = `${directory}/own`
  mkdirSync(own)
  const held = Promise.withResolvers<void>()
  let done = 0
  const holder = underDirectoryLock(own, 0, () => held.promise)
  const work = async () => void done++
  expect(await underDirectoryLock(own, 0, work)).toBe('busy')
  const waiting = underDirectoryLock(own, 10_000, work)
  // Another one of its name takes its place.
  rmSync(own, { recursive: true })
  mkdirSync(own)
  held.resolve()
  expect([await holder, await waiting, done]).toEqual(['done', 'gone', 0])
  expect([await underDirectoryLock(own, 0, work), done]).toEqual(['done', 1])
  expect(await underDirectoryLock(`${own}/not-there`, 0, work)).toBe('gone')
})

test('a directory that cannot be opened is not taken for one that is gone', async () => {
  const [loop, file] = [`${directory}/loop`, `${directory}/file`]
  symlinkSync('loop', loop)
  writeFileSync(file, '')
  let done = 0
  const work = async () => void done++
  await expect(underDirectoryLock(loop, 0, work)).rejects.toThrow('ELOOP')
  await expect(withBestEffortLock(loop, 0, work)).rejects.toThrow('ELOOP')
  expect(() => tryDirectoryLock(loop)).toThrow('ELOOP')
  expect([await underDirectoryLock(file, 0, work), done]).toEqual(['gone', 0])
})
