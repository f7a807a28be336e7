/** The disk of a directory (`--rootfs`) that another user may replace. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { makeOwnDisks } from './disk-root.ts'

let base: string
let directory: string
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-disk-root-')
  directory = `${base}/container`
  mkdirSync(directory, { mode: 0o700 })
  for (const [name, text] of [
    ['rootfs', 'of the root file system'],
    ['secret', 'of root alone'],
  ]) {
    mkdirSync(`${base}/${name}`, { mode: 0o700 })
    writeFileSync(`${base}/${name}/file`, text!)
  }
})
afterEach(() => rmSync(base, { recursive: true }))

const image = () => `${directory}/image.erofs`
const make = () =>
  makeOwnDisks(
    { image: image(), bytes: 64 * 1024 ** 2 },
    {
      container: 'web',
      directory,
      layers: [`${base}/rootfs`],
      fill: () => {},
      signal: new AbortController().signal,
    },
  )

test('it has the files of the directory', async () => {
  await make()
  expect(readFileSync(image()).includes('of the root file system')).toBe(true)
}, 60_000)

test('a directory that has become a link since it was checked is refused, and leads to no other files', async () => {
  renameSync(`${base}/rootfs`, `${base}/aside`)
  symlinkSync(`${base}/secret`, `${base}/rootfs`)
  await expect(make()).rejects.toMatchObject({ code: 'SOURCE_LINK' })
  expect(existsSync(image())).toBe(false)
}, 60_000)
