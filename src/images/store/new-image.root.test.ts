/** Images that are made here stay ones that the store can read. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { makeOciArchive, makeTar } from '../testing.ts'
import { findImage } from './image-store.ts'
import { loadImages } from './load.ts'
import { makeImage, type NewImage } from './new-image.ts'
import { type StorePaths, storePaths } from './store-paths.ts'

const signal = new AbortController().signal
const name = 'docker.io/library/app:1'
const layer = makeTar([{ name: 'file', content: 'old' }])
let state: string
let paths: StorePaths
beforeEach(() => {
  state = mkdtempSync('/var/tmp/kata-ts-new-image-')
  paths = storePaths(`${state}/state`)
})
afterEach(() => rmSync(state, { recursive: true }))

/** An image that has so many times the same layer. */
async function load(layers: number): Promise<string> {
  const file = `${state}/archive.tar`
  writeFileSync(file, makeOciArchive(Array.from({ length: layers }, () => ({ tar: layer }))))
  const [image] = await loadImages(paths, file, { tag: 'app:1', limitBytes: 0, signal, onStep: () => {} })
  return image!.id
}

const make = (base: string, more: Partial<NewImage> = {}) =>
  makeImage(paths, {
    name,
    base,
    signal,
    limitBytes: 0,
    onStep: () => {},
    layer: new Blob([new Uint8Array(makeTar([{ name: 'file', content: 'new' }]))]).stream(),
    changes: [],
    history: { created_by: 'sh' },
    ...more,
  })

/** The name still means the image that it meant, and nothing was added. */
async function expectUnchanged(base: string, blobs: readonly string[]): Promise<void> {
  expect(await findImage(paths, name)).toMatchObject({ id: base })
  expect(readdirSync(paths.blobs)).toEqual([...blobs])
}

test('one layer more than the store reads is refused, and the name keeps its image', async () => {
  const base = await load(500)
  const blobs = readdirSync(paths.blobs)
  await expect(make(base)).rejects.toMatchObject({
    code: 'ROOTFS_TOO_LARGE',
    fields: { limit: '500 layers' },
  })
  await expectUnchanged(base, blobs)
})

test('a configuration that the store does not read is refused, and the name keeps its image', async () => {
  const base = await load(1)
  const blobs = readdirSync(paths.blobs)
  const doubled = 'ENV A=$A$A'
  const changes = ['ENV A=0123456789abcdef', ...Array.from({ length: 14 }, () => doubled)]
  await expect(make(base, { changes })).rejects.toMatchObject({
    code: 'IMAGE_CHANGE_INVALID',
    fields: { text: doubled, reason: expect.stringContaining('at most 131072 bytes') },
  })
  const created_by = 'x'.repeat(9 << 20)
  await expect(make(base, { history: { created_by } })).rejects.toMatchObject({
    code: 'ROOTFS_TOO_LARGE',
    fields: { limit: '8388608 bytes' },
  })
  await expectUnchanged(base, blobs)
})
