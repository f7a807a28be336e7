import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { LargeInodes } from '../mounts/large-inodes.double.ts'
import { mount, mountFlags } from '../mounts/mount.ts'
import { underDirectoryLock } from './directory-lock.ts'

test('a directory is another one also where the numbers of inodes are large', async () => {
  const base = mkdtempSync(`${tmpdir()}/directory-lock-`)
  try {
    using place = new LargeInodes(`${base}/large`)
    for (const name of ['one', 'other']) mkdirSync(`${place.files}/${name}`)
    place.show()
    const [one, other] = [`${place.shown}/one`, `${place.shown}/other`]
    const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const holder = underDirectoryLock(one, 0, () => {
      begun.resolve()
      return held.promise
    })
    await begun.promise
    const waiting = underDirectoryLock(one, 10_000, async () => {})
    mount({ source: other, target: one, flags: mountFlags.bind })
    held.resolve()
    expect([await holder, await waiting]).toEqual(['done', 'gone'])
  } finally {
    rmSync(base, { recursive: true })
  }
})
