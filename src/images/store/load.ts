/** All images of an archive, as `docker save`, `podman save`, `skopeo copy` and `kata-ts save` write them, into the store. */
import { KataError } from '../../errors.ts'
import { type NamedImage, openImageArchives } from '../image-archive.ts'
import { parseImageName } from '../names/image-name.ts'
import { isTrueName, requireTrueName } from '../names/true-name.ts'
import type { StoredImage } from './image-store.ts'
import { addImage, type ImportOptions } from './import.ts'
import { shareStore } from './store-lock.ts'
import { makeStore, type StorePaths } from './store-paths.ts'

export interface LoadOptions extends Omit<ImportOptions, 'name' | 'onStep'> {
  /** The name of an image that has none, or only one with the digest of another image. */
  readonly tag?: string | undefined
  readonly onStep: (name: string, step: string) => void
}

interface Wanted {
  readonly name: string
  readonly image: NamedImage['image']
}

/** Names of one archive: the index of the store is written anew for each. */
const mostNames = 4096

/** An OCI layout may have a tag instead of a name. */
const isWhole = (name: string): boolean => /[/:]/.test(name)

/** @throws KataError IMAGE_UNNAMED, IMAGE_NAME_INVALID, OPTION_INVALID, IMAGE_STORE_*, ROOTFS_*; the signal's reason. */
export async function loadImages(
  paths: StorePaths,
  file: string,
  options: LoadOptions,
): Promise<StoredImage[]> {
  const { tag, limitBytes, signal } = options
  makeStore(paths)
  // A pipe is read to its end, at its writer's pace: no other command has to wait for it.
  using archive = await openImageArchives(file, paths.cacheDir, signal)
  using _shared = await shareStore(paths, signal)
  const wanted = archive.images.flatMap(({ name, image }): Wanted[] => {
    const own = name !== undefined && isWhole(name) ? parseImageName(name) : undefined
    const manifest = image.manifest?.digest
    if (own !== undefined && isTrueName(own, manifest)) return [{ name: own.full, image }]
    if (tag === undefined) return []
    const given = parseImageName(tag)
    requireTrueName(given, manifest)
    return [{ name: given.full, image }]
  })
  if (tag !== undefined) requireOne(wanted, parseImageName(tag).full)
  if (wanted.length === 0) throw new KataError('IMAGE_UNNAMED', { path: file })
  if (wanted.length > mostNames)
    throw new KataError('ROOTFS_TOO_LARGE', { what: 'archive', limit: `${mostNames} names of images` })
  const loaded: StoredImage[] = []
  for (const { name, image } of wanted) {
    const onStep = (step: string) => options.onStep(name, step)
    loaded.push(await addImage(paths, image, { name, limitBytes, signal, onStep }))
  }
  return loaded
}

/** The last of several images would take the name from the others. @throws KataError OPTION_INVALID. */
function requireOne(wanted: readonly Wanted[], tag: string): void {
  const images = wanted.filter(({ name }) => name === tag).map(({ image }) => image)
  const count = new Set(images.map(({ id, manifest }) => manifest?.digest ?? id)).size
  if (count <= 1) return
  const allowed = `the name of one image, and ${count} images of the archive would get this one`
  throw new KataError('OPTION_INVALID', { option: '--tag', value: tag, allowed })
}
