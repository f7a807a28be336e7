/** Sizes of trees that others have made, or are making. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test'
import { chownSync, linkSync, mkdirSync, mkdtempSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { LargeInodes } from '../../linux/mounts/large-inodes.double.ts'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { makeOciFiles, makeTar } from '../testing.ts'
import { unfinishedName } from '../unfinished.ts'
import { listImages } from './image-store.ts'
import { importLayout } from './import.ts'
import { treeBytes, treeUse } from './layer-sizes.ts'
import { prune } from './remove-images.ts'
import { storePaths } from './store-paths.ts'

// The kernel makes and removes a thousand directories and more, which takes seconds where others use the disk, too.
setDefaultTimeout(60_000)

const asRoot = test.skipIf(process.getuid?.() !== 0)
let base: string
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-size-')
})
afterEach(() => removeTree(base))

const large = Buffer.alloc(1 << 20, 'x')

test('files count once, links as links, and what is not there nothing', () => {
  mkdirSync(`${base}/a/b`, { recursive: true })
  writeFileSync(`${base}/a/b/file`, large)
  linkSync(`${base}/a/b/file`, `${base}/a/same`)
  symlinkSync('/usr', `${base}/a/link`)
  for (const [path, least, most] of [
    [base, 1 << 20, 1.1 * 2 ** 20],
    [`${base}/a/b/file`, 1 << 20, 1.1 * 2 ** 20],
    [`${base}/a/link`, 0, 4096],
    [`${base}/nothing`, 0, 0],
  ] as const) {
    expect(treeBytes(path)).toBeGreaterThanOrEqual(least)
    expect(treeBytes(path)).toBeLessThanOrEqual(most)
  }
})

asRoot('files of several names each count on a file system of large inode numbers', () => {
  using place = new LargeInodes(`${base}/large`)
  for (const name of ['one', 'two']) {
    writeFileSync(`${place.files}/${name}`, large)
    linkSync(`${place.files}/${name}`, `${place.files}/${name}-again`)
  }
  place.show()
  expect(treeBytes(place.shown)).toBeGreaterThanOrEqual(2 << 20)
})

test('a tree may be of any depth', () => {
  const name = 'd'.repeat(250)
  const script = 'for i in $(seq 20); do mkdir "$1" && cd -P "$1" || exit 1; done; cat > file'
  const { exitCode } = Bun.spawnSync(['bash', '-c', script, 'bash', name], { cwd: base, stdin: large })
  expect(exitCode).toBe(0)
  expect(treeBytes(base)).toBeGreaterThanOrEqual(1 << 20)
})

test('entries count, too, and no more of them are looked at than is asked for', () => {
  for (let n = 0; n < 3; n++) mkdirSync(`${base}/${n}/deeper`, { recursive: true })
  expect(treeUse(base).entries).toBe(6)
  const { entries } = treeUse(base, { mostEntries: 3 })
  expect([entries > 3, entries < 6]).toEqual([true, true])
  // Names so long that a piece of the listing has few.
  for (let n = 0; n < 300; n++) writeFileSync(`${base}/${'e'.repeat(250)}${n}`, '')
  const many = treeUse(base, { mostEntries: 100 }).entries
  expect([many > 100, many < 300]).toEqual([true, true])
})

asRoot('files of one user count at any depth, with the directories, and those of others do not', () => {
  const deep = `${base}/${'d/'.repeat(12)}`
  mkdirSync(deep, { recursive: true })
  writeFileSync(`${deep}/own`, large)
  chownSync(`${deep}/own`, 4711, 4711)
  writeFileSync(`${base}/other`, large)
  expect(treeBytes(base)).toBeGreaterThanOrEqual(2 << 20)
  expect(treeBytes(base, 4711)).toBe(statSync(`${deep}/own`).blocks * 512)
  chownSync(deep, 4711, 4711)
  expect(treeBytes(base, 4711)).toBe((statSync(`${deep}/own`).blocks + statSync(deep).blocks) * 512)
})

asRoot('what is mounted in it does not count', () => {
  mkdirSync(`${base}/disk`)
  mount({ source: 'tmpfs', target: `${base}/disk`, type: 'tmpfs' })
  writeFileSync(`${base}/disk/file`, large)
  const bytes = treeBytes(base)
  unmount(`${base}/disk`)
  expect(bytes).toBeLessThan(1 << 20)
})

asRoot('an image whose paths are as long as paths can be is listed and removed as any', async () => {
  const paths = storePaths(`${base}/state`)
  const room = 4090 - `${paths.layers}/${unfinishedName('making')}/`.length
  const files = makeOciFiles([
    { tar: makeTar([{ name: 'x', pax: { path: 'd/'.repeat(2048).slice(0, room) } }]) },
  ])
  for (const [file, bytes] of files) {
    mkdirSync(dirname(`${base}/layout/${file}`), { recursive: true })
    writeFileSync(`${base}/layout/${file}`, bytes)
  }
  const signal = new AbortController().signal
  await importLayout(paths, `${base}/layout`, {
    name: 'docker.io/library/a:latest',
    limitBytes: 0,
    signal,
    onStep: () => {},
  })
  expect(await listImages(paths)).toHaveLength(1)
  await prune(paths, () => ({ containers: new Map(), layers: new Set(), disks: new Set() }))
  expect(await listImages(paths)).toEqual([])
})
