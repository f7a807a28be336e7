import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { LargeInodes } from '../../linux/mounts/large-inodes.double.ts'
import { MadeFiles } from './made-files.ts'

test('another file in its place stays also where the numbers of inodes are large', () => {
  const base = mkdtempSync(`${tmpdir()}/made-`)
  try {
    using place = new LargeInodes(`${base}/large`)
    for (const name of ['made', 'other']) writeFileSync(`${place.files}/${name}`, '')
    place.show()
    const path = `${place.shown}/made`
    const fd = openSync(path, 'r')
    const made = new MadeFiles()
    made.add(path, fd)
    closeSync(fd)
    renameSync(`${place.shown}/other`, path)
    made.remove()
    expect(readdirSync(place.shown)).toEqual(['made'])
  } finally {
    rmSync(base, { recursive: true })
  }
})
