/** Images that are made here: what a container has changed as one more layer, or a tar of files as the only one. */
import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { isObject } from '../../json/compounds.ts'
import { anything } from '../../json/document.ts'
import { atPath, writeAll } from '../../linux/files/named-write.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { architecture } from '../architecture.ts'
import { changedConfig, type RawConfig } from '../formats/image-changes.ts'
import { emptyImageConfig } from '../formats/image-config.ts'
import { type ArchivedLayer, maxLayers, openImageArchive } from '../image-archive.ts'
import { parseImageName } from '../names/image-name.ts'
import { requireTrueName } from '../names/true-name.ts'
import { unfinishedName } from '../unfinished.ts'
import { findImage, type StoredImage, storeBytes } from './image-store.ts'
import { addImage, type ImportOptions, storeFull } from './import.ts'
import { shareStore } from './store-lock.ts'
import { makeStore, type StorePaths } from './store-paths.ts'
import { maxConfigBytes, storedConfig } from './stored-config.ts'

export interface NewImage extends ImportOptions {
  /** The id of the image that it begins with; undefined: nothing. */
  readonly base?: string | undefined
  /** What the layer is made of: an uncompressed tar. */
  readonly layer: AsyncIterable<Uint8Array>
  /** For an image without a base. */
  readonly config?: RawConfig
  /** Instructions of a Dockerfile. */
  readonly changes: readonly string[]
  readonly history: { readonly created_by: string; readonly author?: string; readonly comment?: string }
}

/** @throws KataError IMAGE_NAME_INVALID, IMAGE_NOT_STORED, IMAGE_CHANGE_INVALID, IMAGE_STORE_*, ROOTFS_*; what `layer` throws; the signal's reason. */
export async function makeImage(paths: StorePaths, image: NewImage): Promise<StoredImage> {
  const { base, changes, history, signal } = image
  requireTrueName(parseImageName(image.name), undefined)
  makeStore(paths)
  using _shared = await shareStore(paths, signal)
  const before = base === undefined ? undefined : await findImage(paths, base)
  using opened =
    before === undefined
      ? undefined
      : await openImageArchive(paths.layout, paths.cacheDir, { digest: before.digest })
  // What is made here has to be an image that can be read: its name may mean another one until then.
  if (opened !== undefined && opened.layers.length >= maxLayers)
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'commit', limit: `${maxLayers} layers` })
  const document = before === undefined ? freshDocument(image.config) : documentOf(paths, before)
  const config = changedConfig(isObject(document.config) ? document.config : {}, changes)
  // A pull's name, so that what the dead have left is found.
  const directory = `${paths.layout}/${unfinishedName('pulling')}`
  mkdirSync(directory, { mode: 0o700 })
  try {
    const layer = await writeLayer(paths, `${directory}/layer.tar`, image)
    const layers = [...(opened?.layers ?? []), layer]
    const created = new Date().toISOString()
    const content = JSON.stringify({
      ...document,
      created,
      config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      ...(history.author === undefined ? {} : { author: history.author }),
      history: [...(Array.isArray(document.history) ? document.history : []), { created, ...history }],
    })
    const size = Buffer.byteLength(content)
    if (size > maxConfigBytes)
      throw new KataError('ROOTFS_TOO_LARGE', { what: 'configuration', limit: `${maxConfigBytes} bytes` })
    const file = `${directory}/config.json`
    atPath(paths.layout, () => writeFileSync(file, content, { flag: 'wx', mode: 0o600 }))
    const id = `sha256:${new Bun.CryptoHasher('sha256').update(content).digest('hex')}`
    const found = { path: image.name, id, manifest: undefined, created, config: emptyImageConfig, layers }
    return await addImage(paths, { ...found, documents: [{ file, offset: 0, size, digest: id }] }, image)
  } finally {
    await removeTree(directory)
  }
}

const freshDocument = (config: RawConfig = {}): RawConfig => ({
  architecture,
  os: 'linux',
  config,
})

/** An image's configuration, as it is. @throws KataError IMAGE_STORE_CORRUPT. */
function documentOf(paths: StorePaths, image: StoredImage): RawConfig {
  const value = storedConfig(paths, image, anything)
  if (isObject(value)) return value
  throw new KataError('IMAGE_STORE_CORRUPT', { path: paths.layout, reason: `${image.id} is no object` })
}

async function writeLayer(
  paths: StorePaths,
  file: string,
  { layer, limitBytes, name, signal }: NewImage,
): Promise<ArchivedLayer> {
  const used = storeBytes(paths)
  const hasher = new Bun.CryptoHasher('sha256')
  let size = 0
  const fd = openSync(file, 'wx', 0o600)
  try {
    for await (const chunk of layer) {
      signal.throwIfAborted()
      hasher.update(chunk)
      size += chunk.length
      if (limitBytes > 0 && used + size > limitBytes) throw storeFull({ name, used, limitBytes })
      writeAll(fd, chunk, paths.layout)
    }
    atPath(paths.layout, () => fsyncSync(fd))
  } finally {
    closeSync(fd)
  }
  const digest = `sha256:${hasher.digest('hex')}`
  return { file, offset: 0, size, diffId: digest, digest }
}
