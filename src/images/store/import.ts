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
  writeSync,
} from 'node:fs'
import { KataError } from '../../errors.ts'
import type { UnpackLimits } from '../formats/unpack-budget.ts'
import { type ArchivedImage, openImageArchive } from '../image-archive.ts'
import { imageLimits, unpackImage } from '../layer-cache.ts'
import { findImage, type StoredImage, storeBytes } from './image-store.ts'
import { readIndex, writeIndex } from './index-file.ts'
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

/**
 * `layout` is the directory of an OCI layout with one image. A name that is there already means the new image from now on.
 *
 * @throws KataError IMAGE_STORE_FULL, IMAGE_STORE_BUSY, ROOTFS_*; the signal's reason.
 */
export async function importLayout(
  paths: StorePaths,
  layout: string,
  options: ImportOptions,
): Promise<StoredImage> {
  makeStore(paths)
  using _shared = await shareStore(paths, options.signal)
  using image = await openImageArchive(layout, paths.cacheDir)
  const { manifest } = image
  if (manifest === undefined)
    throw new KataError('ROOTFS_ARCHIVE_INVALID', { path: layout, reason: 'it has no manifest' })
  for (const { file, offset, size, digest } of image.layers)
    takeBlob(paths, { file, offset, size, digest: digest! }, options.signal)
  for (const digest of [image.id, manifest.digest]) {
    const file = `${layout}/blobs/sha256/${digest.slice('sha256:'.length)}`
    takeBlob(paths, { file, offset: 0, digest }, options.signal)
  }
  await unpack(paths, image, options)
  using _index = await holdIndex(paths, options.signal)
  const others = readIndex(paths).filter(({ name }) => name !== options.name)
  writeIndex(paths, [...others, { name: options.name, ...manifest, pulledAt: new Date().toISOString() }])
  return findImage(paths, options.name)
}

interface Blob {
  readonly file: string
  readonly offset: number
  /** Default: to the end of the file. */
  readonly size?: number
  readonly digest: string
}

/** Copies rather than moves: what another user could have open would not stay as it was compared. */
function takeBlob(paths: StorePaths, { file, offset, size, digest }: Blob, signal: AbortSignal): void {
  const target = blobPath(paths, digest)
  if (existsSync(target)) return
  const fresh = `${paths.layout}/.blob-${process.pid}-${crypto.randomUUID()}`
  const hasher = new Bun.CryptoHasher('sha256')
  const source = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  const copy = openSync(fresh, 'wx', 0o600)
  try {
    const buffer = Buffer.alloc(pieceBytes)
    const end = offset + (size ?? fstatSync(source).size)
    for (let position = offset; position < end; ) {
      signal.throwIfAborted()
      const count = readSync(source, buffer, 0, Math.min(buffer.length, end - position), position)
      if (count === 0) break
      hasher.update(buffer.subarray(0, count))
      for (let done = 0; done < count; ) done += writeSync(copy, buffer, done, count - done)
      position += count
    }
    const actual = `sha256:${hasher.digest('hex')}`
    if (actual !== digest)
      throw new KataError('ROOTFS_DIGEST_MISMATCH', { what: `blob ${digest}`, actual, expected: digest })
    fsyncSync(copy)
    // A pull links it into a directory of its user, who must not write to it.
    chmodSync(fresh, 0o444)
    renameSync(fresh, target)
  } finally {
    closeSync(source)
    closeSync(copy)
    rmSync(fresh, { force: true })
  }
}

async function unpack(
  paths: StorePaths,
  image: ArchivedImage,
  { name, limitBytes, onStep, signal }: ImportOptions,
): Promise<void> {
  const used = storeBytes(paths)
  const room = limitBytes === 0 ? imageLimits.bytes : Math.min(imageLimits.bytes, limitBytes - used)
  const full = (cause?: unknown) => storeFull({ name, used, limitBytes }, cause)
  if (room <= 0) throw full()
  const limits: UnpackLimits = { ...imageLimits, bytes: room }
  const count = image.layers.length
  try {
    await unpackImage(image, paths.cacheDir, limits, (number) => {
      signal.throwIfAborted()
      onStep(`unpacking layer ${number} of ${count}`)
    })
  } catch (error) {
    const tooLarge = error instanceof KataError && error.code === 'ROOTFS_TOO_LARGE'
    throw tooLarge && room < imageLimits.bytes ? full(error) : error
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
