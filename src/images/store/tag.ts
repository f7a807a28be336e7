/** A further name for an image of the store. */
import type { ImageName } from '../names/image-name.ts'
import { requireTrueName } from '../names/true-name.ts'
import { findImage } from './image-store.ts'
import { readIndex, writeIndex } from './index-file.ts'
import { holdIndex, shareStore } from './store-lock.ts'
import { makeStore, type StorePaths } from './store-paths.ts'

/** `source`: a name or an id. A name that is there already means this image from now on. @throws KataError IMAGE_NAME_INVALID for the digest of another one, IMAGE_NOT_STORED, IMAGE_AMBIGUOUS, IMAGE_STORE_BUSY, IMAGE_NAMES_TOO_MANY. */
export async function tagImage(paths: StorePaths, source: string, target: ImageName): Promise<void> {
  makeStore(paths)
  using _shared = await shareStore(paths)
  using _index = await holdIndex(paths)
  const image = await findImage(paths, source)
  const entries = readIndex(paths)
  const entry = entries.find(({ name }) => name === image.name)
  if (entry === undefined) return
  requireTrueName(target, entry.digest)
  const others = entries.filter(({ name }) => name !== target.full)
  writeIndex(paths, [...others, { ...entry, name: target.full }])
}
