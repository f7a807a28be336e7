import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { ownProcess } from '../linux/processes/proc.ts'
import { cachedDirectory } from './content-cache.ts'
import { unfinishedName } from './unfinished.ts'

const base = mkdtempSync(`${tmpdir()}/content-cache-`)
afterAll(() => rmSync(base, { recursive: true }))

test('a directory is made once', async () => {
  let made = 0
  const make = (directory: string) => writeFileSync(`${directory}/made`, `${++made}`)
  for (let round = 0; round < 2; round++)
    expect(await cachedDirectory(base, 'once', make)).toBe(`${base}/once`)
  expect(made).toBe(1)
  expect(readdirSync(base)).toEqual(['once'])
})

test('what fails in the middle leaves nothing', async () => {
  const made = cachedDirectory(base, 'failed', (directory) => {
    writeFileSync(`${directory}/half`, '')
    throw new Error('no more')
  })
  await expect(made).rejects.toThrow('no more')
  expect(readdirSync(base)).toEqual(['once'])
})

test('what does not reach the disk gets no name', async () => {
  // Sync finds no file system to write to, and says so.
  const made = cachedDirectory(base, 'lost', (directory) => rmSync(directory, { recursive: true }))
  await expect(made).rejects.toThrow(/^sync /)
  expect(readdirSync(base)).toEqual(['once'])
})

test('what a killed attempt left is removed, also once another process has its number, and nothing else', async () => {
  const cache = `${base}/abandoned`
  const { pid, startTime, bootId = '' } = ownProcess()
  const ours = unfinishedName('making')
  const random = crypto.randomUUID()
  // Earlier versions wrote down the number alone; the random part of a name may begin with digits.
  const kept = [ours, `.making-${pid}-${random}`, `.making-${pid}-12345678-1-2-3-4`]
  const removed = [
    ours.replace(`-${startTime}-`, `-${Number(startTime) - 1}-`),
    ours.replace(bootId, random),
    `.making-999999999-${random}`,
  ]
  for (const name of [...kept, ...removed]) mkdirSync(`${cache}/${name}/usr`, { recursive: true })
  await cachedDirectory(cache, 'made', () => {})
  expect(readdirSync(cache).sort()).toEqual([...kept, 'made'].sort())
})
