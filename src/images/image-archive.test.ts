import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { openImageArchives } from './image-archive.ts'
import { makeOciArchive, makeTar, type TestEntry } from './testing.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/kata-ts-archive-`)
})
afterEach(() => rmSync(base, { recursive: true }))

async function opened(bytes: Uint8Array, signal?: AbortSignal): Promise<number> {
  const path = join(base, 'image.tar')
  writeFileSync(path, bytes)
  using archive = await openImageArchives(path, base, signal)
  return archive.images.length
}

const layer = makeTar([{ name: 'a', content: 'a' }])

/** One image with so many names, and labels of so many bytes in its configuration. */
function named(names: number, bytes: number): Buffer {
  return makeOciArchive([{ tar: layer }], { Labels: { note: 'x'.repeat(bytes) } }, (files) => {
    const index = JSON.parse(String(files.get('index.json')))
    const [image] = index.manifests
    const manifests = Array.from({ length: names }, (_, number) => ({
      ...image,
      annotations: { 'io.containerd.image.name': `example.com/app:${number}` },
    }))
    files.set('index.json', Buffer.from(JSON.stringify({ ...index, manifests })))
  })
}

test('documents that an archive names again and again take no more than their bound', async () => {
  expect(await opened(named(500, 1000))).toBe(500)
  await expect(opened(named(500, 1 << 20))).rejects.toThrow(/^\[ROOTFS_TOO_LARGE\].*67108864 bytes/)
})

const directories = (count: number): TestEntry[] =>
  Array.from({ length: count }, () => ({ name: 'd/', type: '5' }))

test('entries that are no files, or have one name, count too', async () => {
  const [first, ...others] = [makeTar(directories(15_000)).subarray(0, -1024), named(1, 10)]
  expect(await opened(Buffer.concat([first!, ...others]))).toBe(1)
  await expect(opened(zstdCompressSync(makeTar(directories(20_001))))).rejects.toThrow(
    /^\[ROOTFS_TOO_LARGE\].*20000 entries/,
  )
})

test.each([
  [1, 1],
  [1, 2],
  [2, 1],
])('an image of %i layers whose configuration speaks of %i is whole, or refused', async (layers, spoken) => {
  const id = `sha256:${'a'.repeat(64)}`
  const archive = makeTar([
    { name: 'layer.tar', content: 'a' },
    { name: 'config.json', content: JSON.stringify({ rootfs: { diff_ids: Array(spoken).fill(id) } }) },
    {
      name: 'manifest.json',
      content: JSON.stringify([{ Config: 'config.json', Layers: Array(layers).fill('layer.tar') }]),
    },
  ])
  if (layers === spoken) expect(await opened(archive)).toBe(1)
  else await expect(opened(archive)).rejects.toThrow(/^\[ROOTFS_ARCHIVE_INVALID\].*differ in number/)
})

test('the reading of an archive can be given up', async () => {
  const signal = AbortSignal.abort(new Error('given up'))
  await expect(opened(makeTar(directories(15_000)), signal)).rejects.toThrow('given up')
})
