import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { cachedDirectory } from './content-cache.ts'

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

test('what does not reach the disk gets no name', async () => {
  // Sync finds no file system to write to, and says so.
  const made = cachedDirectory(base, 'lost', (directory) => rmSync(directory, { recursive: true }))
  await expect(made).rejects.toThrow(/^sync /)
  expect(readdirSync(base)).toEqual(['once'])
})
