/** The store on a disk that is full, a tmpfs of a few pages. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { mount, unmount } from '../../linux/mounts/mount.ts'
import { makeOciFiles, makeTar } from '../testing.ts'
import { listImages } from './image-store.ts'
import { importLayout } from './import.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { makeImage } from './new-image.ts'
import { prune } from './remove-images.ts'
import { makeStore, storePaths } from './store-paths.ts'

const asRoot = test.skipIf(process.getuid?.() !== 0)
let base: string
let paths: ReturnType<typeof storePaths>
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-full-')
  mkdirSync(`${base}/disk`)
  mkdirSync(`${base}/layout`)
  if (process.getuid?.() === 0)
    mount({ source: 'tmpfs', target: `${base}/disk`, type: 'tmpfs', data: 'size=512k' })
  paths = storePaths(`${base}/disk/state`)
  makeStore(paths)
})
afterEach(() => {
  if (process.getuid?.() === 0) unmount(`${base}/disk`)
  rmSync(base, { recursive: true })
})

/** Takes all of the disk but so many bytes. */
function fill(free: number): void {
  const { bavail, bsize } = statfsSync(`${base}/disk`)
  writeFileSync(`${base}/disk/others`, Buffer.alloc(bavail * bsize - free))
}

const entries = (word: string) =>
  Array.from({ length: 60 }, (_, index) => ({
    name: `docker.io/library/${word}${index}:latest`,
    digest: 'sha256:0',
    mediaType: 'x',
    size: 1,
    pulledAt: '',
  }))

asRoot('an index for which there is no room leaves the one that was there', () => {
  writeIndex(paths, entries('before'))
  const before = readIndex(paths)
  fill(8192)
  expect(() => writeIndex(paths, entries('after'))).toThrow(
    expect.objectContaining({ code: 'ENOSPC', path: paths.index }),
  )
  expect(readIndex(paths)).toEqual(before)
  expect(existsSync(`${paths.index}.new`)).toBe(false)
})

asRoot(
  'an image for which there is no room is no part of the store, and the error names the store',
  async () => {
    const image = {
      name: 'docker.io/library/a:latest',
      layer: (async function* () {
        yield Buffer.alloc(600_000)
      })(),
      config: {},
      history: { created_by: 'test' },
      changes: [],
      limitBytes: 0,
      signal: new AbortController().signal,
      onStep: () => {},
    }
    await expect(makeImage(paths, image)).rejects.toThrow(
      expect.objectContaining({ code: 'ENOSPC', path: paths.layout }),
    )
    expect([...readIndex(paths), ...readdirSync(paths.blobs)]).toEqual([])
  },
)

asRoot('images can be listed and removed', async () => {
  for (const [file, bytes] of makeOciFiles([{ tar: makeTar([{ name: 'a', content: 'x'.repeat(9000) }]) }])) {
    mkdirSync(dirname(`${base}/layout/${file}`), { recursive: true })
    writeFileSync(`${base}/layout/${file}`, bytes)
  }
  const signal = new AbortController().signal
  const name = 'docker.io/library/a:latest'
  await importLayout(paths, `${base}/layout`, { name, limitBytes: 0, signal, onStep: () => {} })
  for (const note of readdirSync(paths.sizes)) rmSync(`${paths.sizes}/${note}`)
  fill(0)
  const [image] = await listImages(paths)
  expect(image?.bytes).toBeGreaterThan(8191)
  expect(readdirSync(paths.sizes)).toEqual([])
  const removed = await prune(paths, () => ({ containers: new Map(), layers: new Set(), disks: new Set() }))
  expect(removed).toMatchObject({ images: [name], layers: [expect.any(String)] })
  expect([...readdirSync(paths.blobs), ...readdirSync(paths.layers)]).toEqual([])
})
