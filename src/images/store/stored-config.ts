/** The configuration of an image of the store. Its author wrote it, and may have written anything that a start does not look at. */
import { KataError } from '../../errors.ts'
import { readText, readTextFile } from '../../json/document.ts'
import { JsonMismatch } from '../../json/place.ts'
import type { Reader } from '../../json/values.ts'
import type { StoredImage } from './image-store.ts'
import { blobPath, type StorePaths } from './store-paths.ts'

/** No document of an image is larger. */
export const maxConfigBytes = 8 << 20

/** @throws KataError IMAGE_STORE_CORRUPT naming the image and the field. */
export function storedConfig<T>(
  paths: StorePaths,
  { id, name }: Pick<StoredImage, 'id' | 'name'>,
  reader: Reader<T>,
): T {
  try {
    return readText(reader, readTextFile(blobPath(paths, id), maxConfigBytes))
  } catch (cause) {
    if (!(cause instanceof JsonMismatch)) throw cause
    const reason = `${name}: configuration ${id}: ${cause.message}`
    throw new KataError('IMAGE_STORE_CORRUPT', { path: paths.layout, reason }, { cause })
  }
}
