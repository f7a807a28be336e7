/** The images that are there, by name and id, and what they take on the disk. */
import { existsSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { type ArchivedImage, openImageArchive } from '../image-archive.ts'
import { parseImageName } from '../names/image-name.ts'
import { diskBytes, diskNames, diskOfImage } from './disk-names.ts'
import { type IndexEntry, readIndex } from './index-file.ts'
import { blobsBytes, layerBytes, layerName, layerNames } from './layer-sizes.ts'
import type { StorePaths } from './store-paths.ts'

export interface StoredImage {
  /** The full name. */
  readonly name: string
  /** Digest of its configuration, by which Docker names an image too. */
  readonly id: string
  /** Digest of its manifest. */
  readonly digest: string
  /** When it was built, ISO 8601; null where it does not say. */
  readonly created: string | null
  readonly pulledAt: string
  /** Bytes of its unpacked layers and of its disk, also of those that it shares with others. */
  readonly bytes: number
  /** Names of the directories of its unpacked layers, lowest first. */
  readonly layers: readonly string[]
  /** Digests of all its blobs. */
  readonly blobs: readonly string[]
  /** What is wrong with its documents, if something is: then it has no id, and its layers and other blobs are not known. */
  readonly damage?: string
}

/** Sorted by name. A damaged one is among them, and keeps none of the others from being used or removed. @throws KataError IMAGE_STORE_CORRUPT. */
export async function listImages(paths: StorePaths): Promise<StoredImage[]> {
  const images: StoredImage[] = []
  for (const entry of readIndex(paths)) {
    const image = await describeUnlessGone(paths, entry).catch((error) => damagedImage(entry, error))
    if (image !== undefined) images.push(image)
  }
  return images
}

/** What is wrong with the documents themselves. Anything else may be over at the next try, and then nothing was lost. */
const damages = ['ROOTFS_DIGEST_MISMATCH', 'ROOTFS_ARCHIVE_INVALID', 'ROOTFS_TOO_LARGE']

function damagedImage({ name, digest, pulledAt }: IndexEntry, error: unknown): StoredImage {
  const cause = error instanceof KataError ? error.cause : undefined
  if (!(cause instanceof KataError) || !damages.includes(cause.code)) throw error
  const unknown = { id: '', created: null, bytes: 0, layers: [], blobs: [digest] }
  return { name, digest, pulledAt, ...unknown, damage: cause.message }
}

/** An image by its name, or by its id or the beginning of it. @throws KataError IMAGE_NOT_STORED, IMAGE_AMBIGUOUS, IMAGE_NAME_INVALID. */
export async function findImage(paths: StorePaths, text: string): Promise<StoredImage> {
  const found = await lookForImage(paths, text)
  if (found === undefined) throw new KataError('IMAGE_NOT_STORED', { name: text })
  return found
}

/** As {@link findImage}; undefined when there is none. A name that an image has counts before the id of another one, as with docker. */
export async function lookForImage(paths: StorePaths, text: string): Promise<StoredImage | undefined> {
  if (isSurelyId.test(text)) return (await imageWithId(paths, text)) ?? imageNamed(paths, text)
  return (await imageNamed(paths, text)) ?? imageWithId(paths, text)
}

/** Who writes it so means no name. */
export const isSurelyId = /^(sha256:[0-9a-f]{4,64}|[0-9a-f]{64})$/

async function imageNamed(paths: StorePaths, text: string): Promise<StoredImage | undefined> {
  const { full } = parseImageName(text)
  const entry = readIndex(paths).find(({ name }) => name === full)
  return entry === undefined ? undefined : describeUnlessGone(paths, entry)
}

async function imageWithId(paths: StorePaths, text: string): Promise<StoredImage | undefined> {
  const hex = text.replace(/^sha256:/, '')
  if (!/^[0-9a-f]{4,64}$/.test(hex)) return undefined
  const all = await listImages(paths)
  const [first, ...others] = all.filter(({ id }) => id.startsWith(`sha256:${hex}`))
  if (others.some(({ id }) => id !== first?.id))
    throw new KataError('IMAGE_AMBIGUOUS', { id: text, count: others.length + 1 })
  return first
}

/** Undefined when it was removed after the index was read: a reader does not hold the store. Names go before files. */
async function describeUnlessGone(paths: StorePaths, entry: IndexEntry): Promise<StoredImage | undefined> {
  try {
    return await describe(paths, entry)
  } catch (error) {
    const { name, digest } = entry
    if (readIndex(paths).some((one) => one.name === name && one.digest === digest)) throw error
    return undefined
  }
}

/** The image with the bytes of its layers. Blobs are compared with their digests when they are read. */
function openStored(paths: StorePaths, digest: string): Promise<ArchivedImage> {
  return openImageArchive(paths.layout, paths.cacheDir, { digest })
}

async function describe(paths: StorePaths, entry: IndexEntry): Promise<StoredImage> {
  using image = await openStored(paths, entry.digest).catch((cause) => {
    const reason = `${entry.name}: ${cause}`
    throw new KataError('IMAGE_STORE_CORRUPT', { path: paths.layout, reason }, { cause })
  })
  const layers = image.layers.map(({ diffId }) => layerName(diffId))
  return {
    name: entry.name,
    id: image.id,
    digest: entry.digest,
    pulledAt: entry.pulledAt,
    layers,
    created: isoTime(image.created),
    bytes: [...new Set(layers)].reduce(
      (sum, name) => sum + (layerBytes(paths, name) ?? 0),
      diskBytes(paths, diskOfImage(layers)),
    ),
    blobs: [entry.digest, image.id, ...image.layers.flatMap(({ digest }) => digest ?? [])],
  }
}

/** An image's own words, as a time. */
function isoTime(text: string | undefined): string | null {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}

/** Bytes of everything: blobs, disks, and unpacked layers, those of archives too. */
export function storeBytes(paths: StorePaths): number {
  if (!existsSync(paths.layout)) return 0
  const disks = diskNames(paths).reduce((sum, name) => sum + diskBytes(paths, name), 0)
  return layerNames(paths).reduce(
    (sum, name) => sum + (layerBytes(paths, name) ?? 0),
    blobsBytes(paths) + disks,
  )
}
