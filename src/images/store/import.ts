/** Takes an image into the store: each blob compared with its digest, its layers unpacked, its name noted last. */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { KataError } from '../../errors.ts'
import { atPath, writeAll } from '../../linux/files/named-write.ts'
import { closing } from '../../linux/files/open-at.ts'
import { breather, sleep } from '../../time.ts'
import type { UnpackLimits } from '../formats/unpack-budget.ts'
import { type ArchivedImage, type ArchivedManifest, openImageArchive } from '../image-archive.ts'
import { isCompressed } from '../image-files.ts'
import { imageLimits, unpackImage } from '../layer-cache.ts'
import { parseImageName } from '../names/image-name.ts'
import { requireTrueName } from '../names/true-name.ts'
import { unfinishedName } from '../unfinished.ts'
import { findImage, type StoredImage, storeBytes } from './image-store.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { layerName } from './layer-sizes.ts'
import { holdIndex, shareStore } from './store-lock.ts'
import { blobPath, makeStore, type StorePaths } from './store-paths.ts'

export interface ImportOptions {
  /** The full name that it gets. */
  readonly name: string
  /** Bytes that the whole store may take; 0: as many as there are. */
  readonly limitBytes: number
  readonly signal: AbortSignal
  /** Told what is done next, for people. */
  readonly onStep: (step: string) => void
}

const pieceBytes = 1 << 20
/** Pieces between two breaths. */
const breathEvery = 16

/**
 * `layout` is the directory of an OCI layout with one image. A name that is there already means the new image from now on. `isOfFile`: nobody has
 * compared it with a digest in that name.
 *
 * @throws KataError IMAGE_STORE_FULL, IMAGE_STORE_BUSY, IMAGE_NAME_INVALID, ROOTFS_*; the signal's reason.
 */
export async function importLayout(
  paths: StorePaths,
  layout: string,
  options: ImportOptions,
  { isOfFile = false } = {},
): Promise<StoredImage> {
  makeStore(paths)
  using _shared = await shareStore(paths, options.signal)
  using image = await openImageArchive(layout, paths.cacheDir)
  if (image.manifest === undefined)
    throw new KataError('ROOTFS_ARCHIVE_INVALID', { path: layout, reason: 'it has no manifest' })
  if (isOfFile) requireTrueName(parseImageName(options.name), image.manifest.digest)
  // Awaited: the lock and the image would be let go of at its first pause.
  return await addImage(paths, image, options)
}

/**
 * Adds an image whose files can be read; one without a manifest gets one of OCI's. The caller shares the store.
 *
 * @throws as {@link importLayout}.
 */
export async function addImage(
  paths: StorePaths,
  image: Omit<ArchivedImage, typeof Symbol.dispose>,
  options: ImportOptions,
): Promise<StoredImage> {
  const used = storeBytes(paths)
  const { name, limitBytes } = options
  if (limitBytes > 0 && used + missingBytes(paths, image) >= limitBytes)
    throw storeFull({ name, used, limitBytes })
  const layers = []
  for (const layer of image.layers) {
    const { file, offset, size } = layer
    // One that is unpacked already is not read.
    if (layer.digest !== undefined && !existsSync(`${paths.layers}/${layerName(layer.diffId)}`))
      await dropDamaged(paths, layer.digest, options.signal)
    layers.push({ file, offset, size, digest: await takeBlob(paths, layer, options.signal) })
  }
  for (const document of image.documents) {
    await dropDamaged(paths, document.digest, options.signal)
    await takeBlob(paths, document, options.signal)
  }
  const manifest = image.manifest ?? makeManifest(paths, image, layers)
  await unpackWithin(paths, image, options)
  using _index = await holdIndex(paths, options.signal)
  const others = readIndex(paths).filter((other) => other.name !== name)
  writeIndex(paths, [...others, { name, ...manifest, pulledAt: new Date().toISOString() }])
  return await findImage(paths, name)
}

/** Bytes of its blobs that are not there yet. An uncompressed layer without a digest of its own has that of its content. */
function missingBytes(
  paths: StorePaths,
  { layers, documents }: Pick<ArchivedImage, 'layers' | 'documents'>,
): number {
  const blobs = [
    ...layers.map(({ digest, diffId, size }) => ({ digest: digest ?? diffId, size })),
    ...documents,
  ]
  const sizes = new Map(blobs.map(({ digest, size }) => [digest, size]))
  return [...sizes].reduce((sum, [digest, size]) => sum + (existsSync(blobPath(paths, digest)) ? 0 : size), 0)
}

/** Removes a stored blob that is damaged: the new one takes its place. */
async function dropDamaged(paths: StorePaths, digest: string, signal: AbortSignal): Promise<void> {
  const path = blobPath(paths, digest)
  if (!existsSync(path)) return
  const stored = openSync(path, 'r')
  try {
    const { size } = fstatSync(stored)
    if ((await digestOf(stored, { offset: 0, size }, signal)) !== digest) rmSync(path, { force: true })
  } finally {
    closeSync(stored)
  }
}

/** The digest of so many bytes of a file, or of those up to its end. `onPiece` gets them. */
async function digestOf(
  fd: number,
  { offset, size }: Pick<Blob, 'offset' | 'size'>,
  signal: AbortSignal,
  onPiece: (piece: Uint8Array) => void = () => {},
): Promise<string> {
  const hasher = new Bun.CryptoHasher('sha256')
  const buffer = Buffer.alloc(pieceBytes)
  const end = offset + size
  // Each layer of an image with many small ones has a breath.
  await sleep(0, signal)
  const breathe = breather(breathEvery, signal)
  for (let position = offset; position < end; ) {
    await breathe()
    const count = readSync(fd, buffer, 0, Math.min(buffer.length, end - position), position)
    if (count === 0) break
    hasher.update(buffer.subarray(0, count))
    onPiece(buffer.subarray(0, count))
    position += count
  }
  return `sha256:${hasher.digest('hex')}`
}

interface Blob {
  readonly file: string
  readonly offset: number
  readonly size: number
  /** Undefined: whatever it is. */
  readonly digest: string | undefined
}

/** Copies rather than moves: what another user could have open would not stay as it was compared. @returns its digest. */
async function takeBlob(
  paths: StorePaths,
  { file, offset, size, digest }: Blob,
  signal: AbortSignal,
): Promise<string> {
  if (digest !== undefined && existsSync(blobPath(paths, digest))) return digest
  const fresh = `${paths.layout}/${unfinishedName('blob')}`
  // A descriptor of ours is a link by its name, and is what was opened before.
  const noLink = file.startsWith('/proc/self/fd/') ? 0 : constants.O_NOFOLLOW
  const source = openSync(file, constants.O_RDONLY | noLink)
  const copy = openSync(fresh, 'wx', 0o600)
  try {
    const write = (piece: Uint8Array) => writeAll(copy, piece, paths.layout)
    const actual = await digestOf(source, { offset, size }, signal, write)
    if (digest !== undefined && actual !== digest)
      throw new KataError('ROOTFS_DIGEST_MISMATCH', { what: `blob ${digest}`, actual, expected: digest })
    atPath(paths.layout, () => fsyncSync(copy))
    // A pull links it into a directory of its user, who must not write to it.
    chmodSync(fresh, 0o444)
    renameSync(fresh, blobPath(paths, actual))
    return actual
  } finally {
    closeSync(source)
    closeSync(copy)
    rmSync(fresh, { force: true })
  }
}

/** For images that come without one, as in `docker save`'s older form. */
function makeManifest(
  paths: StorePaths,
  { documents }: Pick<ArchivedImage, 'documents'>,
  layers: readonly (Blob & { readonly digest: string })[],
): ArchivedManifest {
  const [config] = documents
  const described = layers.map((layer) => ({
    mediaType: `application/vnd.oci.image.layer.v1.tar${suffixOf(blobPath(paths, layer.digest))}`,
    digest: layer.digest,
    size: layer.size,
  }))
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: config?.digest,
        size: config?.size,
      },
      layers: described,
    }),
  )
  const digest = `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`
  const target = blobPath(paths, digest)
  const fresh = `${paths.layout}/${unfinishedName('blob')}`
  try {
    closing(openSync(fresh, 'wx', 0o444), (fd) => {
      writeAll(fd, bytes, paths.layout, { isFlushed: true })
    })
    renameSync(fresh, target)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
  return { digest, mediaType, size: bytes.length }
}

/** What the media type says of a layer's compression. */
function suffixOf(path: string): string {
  const magic = Buffer.alloc(4)
  closing(openSync(path, 'r'), (fd) => readSync(fd, magic, 0, 4, 0))
  const compression = isCompressed(magic)
  return compression === undefined ? '' : `+${compression}`
}

/**
 * The directories of its layers, topmost first. Those that are there need no room. The caller shares the store.
 *
 * @throws KataError IMAGE_STORE_FULL, ROOTFS_*; the signal's reason.
 */
export async function unpackWithin(
  paths: StorePaths,
  image: Pick<ArchivedImage, 'path' | 'layers'>,
  { name, limitBytes, onStep, signal }: ImportOptions,
): Promise<string[]> {
  const used = storeBytes(paths)
  const left = limitBytes === 0 ? imageLimits.bytes : Math.max(limitBytes - used, 0)
  const room = Math.min(imageLimits.bytes, left)
  const limits: UnpackLimits = { ...imageLimits, bytes: room }
  const count = image.layers.length
  try {
    const onLayer = (number: number) => {
      signal.throwIfAborted()
      onStep(`unpacking layer ${number} of ${count}`)
    }
    return await unpackImage(image, paths.cacheDir, limits, { onLayer, signal })
  } catch (error) {
    const tooLarge = error instanceof KataError && error.code === 'ROOTFS_TOO_LARGE'
    throw tooLarge && room < imageLimits.bytes ? storeFull({ name, used, limitBytes }, error) : error
  }
}

export function storeFull(
  { name, used, limitBytes }: { readonly name: string; readonly used: number; readonly limitBytes: number },
  cause?: unknown,
): KataError {
  const [usedMiB, limit] = [used, limitBytes].map((bytes) => Math.ceil(bytes / 2 ** 20))
  const fields = { image: name, used: usedMiB ?? 0, limit: limit ?? 0 }
  return new KataError('IMAGE_STORE_FULL', fields, { cause })
}
