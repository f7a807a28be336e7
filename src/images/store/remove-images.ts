/** Takes images, layers and blobs out of the store that nothing uses. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { parseImageName } from '../names/image-name.ts'
import { unfinishedName } from '../unfinished.ts'
import { diskBytes, diskNames, diskOfImage } from './disk-names.ts'
import { findImage, isSurelyId, listImages, type StoredImage } from './image-store.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { bytesOnDisk, forgetLayerSize, layerBytes, layerNames, treeBytes } from './layer-sizes.ts'
import { removeUnfinished, unfinishedWork } from './pull.ts'
import { holdStore } from './store-lock.ts'
import { makeStore, type StorePaths } from './store-paths.ts'

/** What containers use. */
export interface ImageUsers {
  /** Names of containers by the id of their image. */
  readonly containers: ReadonlyMap<string, readonly string[]>
  /** Names of directories of layers. */
  readonly layers: ReadonlySet<string>
  /** Names of disks. */
  readonly disks: ReadonlySet<string>
}

/** What a removal takes away. */
export interface Removal {
  /** Full names. */
  readonly images: readonly string[]
  /** Names of unpacked layers. */
  readonly layers: readonly string[]
  /** Paths of blobs, disks and unfinished work. */
  readonly files: readonly string[]
  /** What becomes free on the disk. */
  readonly bytes: number
}

/**
 * Removes a name, or by its id an image with all its names. What no other image and no container uses goes with it. `users` is asked
 * while nothing can be added.
 *
 * @throws KataError IMAGE_NOT_STORED, IMAGE_AMBIGUOUS, IMAGE_USED unless `force`.
 */
export async function removeImage(
  paths: StorePaths,
  text: string,
  { force, users }: { readonly force: boolean; readonly users: () => ImageUsers },
): Promise<void> {
  makeStore(paths)
  await removeAside(paths, await takeOut(paths, text, force, users))
}

/** What {@link removeImage} does while it has the store. @returns directories that remain to be removed. */
async function takeOut(
  paths: StorePaths,
  text: string,
  force: boolean,
  users: () => ImageUsers,
): Promise<string[]> {
  using _held = await holdStore(paths)
  const all = await listImages(paths)
  const image = await findAny(paths, text, all)
  const names = readIndex(paths).map(({ name }) => name)
  const sameImage = image.damage === undefined ? all.filter(({ id }) => id === image.id) : [image]
  const byName = sameImage.some(({ name }) => name === image.name) && isMeantByName(image, text)
  const going = byName ? [image.name] : sameImage.map(({ name }) => name)
  const using = users()
  const containers = using.containers.get(image.id) ?? []
  if (!force && going.length === sameImage.length && containers.length > 0)
    throw new KataError('IMAGE_USED', { image: text, containers: containers.join(', ') })
  const staying = new Set(names.filter((name) => !going.includes(name)))
  const candidates = { layers: image.layers, disks: [diskOfImage(image.layers)] }
  return carryOut(paths, await planRemoval(paths, staying, using, candidates))
}

/** As {@link findImage}; one that is damaged is found by its name. */
async function findAny(paths: StorePaths, text: string, all: readonly StoredImage[]): Promise<StoredImage> {
  try {
    return await findImage(paths, text)
  } catch (error) {
    if (!(error instanceof KataError && error.code === 'IMAGE_STORE_CORRUPT')) throw error
    const { full } = parseImageName(text)
    const damaged = all.find(({ name, damage }) => name === full && damage !== undefined)
    if (damaged === undefined) throw error
    return damaged
  }
}

/**
 * What {@link prune} would remove: images that no container uses, unless `keepsImages`, and layers and blobs without an image. Who uses a
 * damaged one is not known, so it is for a person to remove.
 */
export async function planPrune(
  paths: StorePaths,
  users: ImageUsers,
  { keepsImages = false } = {},
): Promise<Removal> {
  const staying = (await listImages(paths)).filter(
    ({ id, damage }) => keepsImages || damage !== undefined || users.containers.has(id),
  )
  return planRemoval(paths, new Set(staying.map(({ name }) => name)), users, {
    layers: layerNames(paths),
    disks: diskNames(paths),
  })
}

/** As {@link planPrune}. `users` is asked while nothing can be added. @returns what was removed. */
export async function prune(
  paths: StorePaths,
  users: () => ImageUsers,
  options: { readonly keepsImages?: boolean } = {},
): Promise<Removal> {
  makeStore(paths)
  const { removal, aside } = await carryOutPrune(paths, users, options)
  await removeAside(paths, aside)
  return removal
}

async function carryOutPrune(
  paths: StorePaths,
  users: () => ImageUsers,
  options: { readonly keepsImages?: boolean },
): Promise<{ readonly removal: Removal; readonly aside: readonly string[] }> {
  using _held = await holdStore(paths)
  const removal = await planPrune(paths, users(), options)
  return { removal, aside: await carryOut(paths, removal) }
}

/** A name counts before the beginning of an id, that of the image itself, too. */
function isMeantByName({ id, name }: StoredImage, text: string): boolean {
  if (!id.startsWith(`sha256:${text.replace(/^sha256:/, '')}`)) return true
  return !isSurelyId.test(text) && parseImageName(text).full === name
}

const hexOf = (digest: string): string => digest.slice('sha256:'.length)

/** `candidates`: layers and disks that may go. */
async function planRemoval(
  paths: StorePaths,
  staying: ReadonlySet<string>,
  users: ImageUsers,
  candidates: { readonly layers: readonly string[]; readonly disks: readonly string[] },
): Promise<Removal> {
  const all = await listImages(paths)
  const kept = all.filter(({ name }) => staying.has(name))
  const keptLayers = new Set([...users.layers, ...kept.flatMap(({ layers }) => layers)])
  const keptBlobs = new Set(kept.flatMap(({ blobs }) => blobs.map(hexOf)))
  const layers = [...new Set(candidates.layers)].filter((name) => !keptLayers.has(name))
  // Any of the others may be a blob of a damaged image that stays.
  const mayGo = kept.some(({ damage }) => damage !== undefined)
    ? new Set(all.flatMap(({ name, blobs }) => (staying.has(name) ? [] : blobs.map(hexOf))))
    : undefined
  const blobs = namesIn(paths.blobs).filter((name) => !keptBlobs.has(name) && (mayGo?.has(name) ?? true))
  const keptDisks = new Set([...users.disks, ...kept.map(({ layers }) => diskOfImage(layers))])
  const disks = candidates.disks.filter((name) => !keptDisks.has(name) && diskBytes(paths, name) > 0)
  const files = [
    ...blobs.map((name) => `${paths.blobs}/${name}`),
    ...disks.map((name) => `${paths.disks}/${name}`),
    ...unfinishedWork(paths),
  ]
  const sizes = [
    ...layers.map((name) => layerBytes(paths, name) ?? 0),
    ...blobs.map((name) => bytesOnDisk(`${paths.blobs}/${name}`)),
    ...disks.map((name) => diskBytes(paths, name)),
    ...unfinishedWork(paths).map((path) => treeBytes(path)),
  ]
  return {
    images: all.flatMap(({ name }) => (staying.has(name) ? [] : [name])),
    layers,
    files,
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
  }
}

/**
 * Layers go first, which are unpacked anew from their blobs, and names before blobs: whatever ends this in the middle, no name is left without
 * its files. Layers are put aside only: millions of files take minutes, and nobody needs the store for that.
 *
 * @returns the directories that remain to be removed.
 */
async function carryOut(paths: StorePaths, { images, layers, files }: Removal): Promise<string[]> {
  const aside = layers.flatMap((name) => putAside(paths, name))
  try {
    forgetNames(paths, images)
  } catch (error) {
    if (!isDiskFull(error)) throw error
    // What no name needs makes room for the index.
    await removeAside(paths, aside)
    forgetNames(paths, images)
  }
  for (const path of files)
    if ([paths.blobs, paths.disks].some((directory) => path.startsWith(`${directory}/`)))
      rmSync(path, { force: true })
  return aside
}

/** A layer is whole or absent: the cache removes what has such a name once this process is gone. */
function putAside(paths: StorePaths, name: string): string[] {
  forgetLayerSize(paths, name)
  if (!existsSync(`${paths.layers}/${name}`)) return []
  const aside = `${paths.layers}/${unfinishedName('making')}`
  renameSync(`${paths.layers}/${name}`, aside)
  return [aside]
}

/** And what others have left that were killed in the middle of it. */
async function removeAside(paths: StorePaths, directories: readonly string[]): Promise<void> {
  await removeUnfinished(paths)
  for (const directory of directories) await removeTree(directory)
}

function forgetNames(paths: StorePaths, images: readonly string[]): void {
  if (images.length === 0) return
  const gone = new Set(images)
  writeIndex(
    paths,
    readIndex(paths).filter(({ name }) => !gone.has(name)),
  )
}
