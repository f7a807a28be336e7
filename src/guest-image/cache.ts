/** The image cache as directories: everything is made in `tmp/` and renamed into place. Only under the cache's lock. */
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { KataError } from '../errors.ts'
import { writeAll } from '../linux/files/named-write.ts'
import type { PackageFile } from './apt.ts'
import { defaultCacheDir, type GuestImage, loadImage } from './guest-image.ts'

export const lockOf = (cacheDir: string): string => join(cacheDir, 'lock')

/**
 * A build empties directories of the cache. So it takes a new or an empty one, or what a build has used before: that has its
 * lock, or a current image. The usual place is ours, whatever else of ours lies there.
 *
 * @throws KataError IMAGE_CACHE_FOREIGN.
 */
export function requireCache(cacheDir: string): void {
  const isOurs =
    statOf(lockOf(cacheDir))?.isFile() === true ||
    statOf(join(cacheDir, 'current'))?.isSymbolicLink() === true
  if (!isOurs && cacheDir !== defaultCacheDir && readdirSync(cacheDir).length > 0)
    throw new KataError('IMAGE_CACHE_FOREIGN', { cacheDir })
}

const statOf = (path: string) => lstatSync(path, { throwIfNoEntry: false })

/** An empty directory for one purpose, in the cache's temporary files: on the same file system as the images. */
export function newDirectory(cacheDir: string, purpose: string): string {
  return mkdtempSync(join(cacheDir, 'tmp', `${purpose}-`))
}

/** Writes a new file and waits until the disk has it, so that no rename can outrun the data. @throws an error of the system, with `path`. */
export function writeDurably(path: string, data: Uint8Array | string): void {
  const fd = openSync(path, 'wx', 0o644)
  try {
    writeAll(fd, Buffer.from(data), path, { isFlushed: true })
  } finally {
    closeSync(fd)
  }
}

/**
 * Moves the finished image directory `out` to its place; a damaged predecessor goes away with the temporary files.
 *
 * @throws KataError IMAGE_MISSING when `out` holds no image.
 */
export function publish(cacheDir: string, out: string, id: string): GuestImage {
  const dir = join(cacheDir, 'images', id)
  if (existsSync(dir)) renameSync(dir, join(newDirectory(cacheDir, 'damaged'), id))
  chmodSync(out, 0o755)
  renameSync(out, dir)
  const image = loadImage(dir)
  if (image === undefined) throw new KataError('IMAGE_MISSING', { cacheDir })
  return image
}

/** Switches the cache's `current` to image `id` atomically. */
export function makeCurrent(cacheDir: string, id: string): void {
  const link = join(newDirectory(cacheDir, 'link'), 'current')
  symlinkSync(join('images', id), link)
  renameSync(link, join(cacheDir, 'current'))
}

/** {@link imageId}. */
const imageName = /^[0-9a-f]{24}$/

/**
 * Removes all images but `id` and the one before it, because a start that read `current` a moment ago may still open it,
 * and all package files but `packages`. Other files are not a build's, and stay.
 */
export function removeOld(cacheDir: string, id: string, packages: readonly PackageFile[]): void {
  const images = join(cacheDir, 'images')
  const others = readdirSync(images)
    .filter((name) => name !== id && imageName.test(name))
    .map((name) => ({ name, time: statSync(join(images, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time)
  for (const { name } of others.slice(1)) rmSync(join(images, name), { recursive: true, force: true })
  for (const name of readdirSync(join(cacheDir, 'debs')))
    if (name.endsWith('.deb') && !packages.some(({ file }) => file === name))
      rmSync(join(cacheDir, 'debs', name), { force: true })
}
