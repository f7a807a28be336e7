/** Whoever asks for an image by its digest gets that image or none: no archive, and no person, gives another one such a name. */
import { KataError } from '../../errors.ts'
import type { ImageName } from './image-name.ts'

/** Whether an image whose manifest has this digest may have that name. Undefined: it has no manifest yet. */
export const isTrueName = (name: Pick<ImageName, 'digest'>, manifest: string | undefined): boolean =>
  name.digest === undefined || name.digest === manifest

/** @throws KataError IMAGE_NAME_INVALID. */
export function requireTrueName(
  name: Pick<ImageName, 'digest' | 'full'>,
  manifest: string | undefined,
): void {
  if (isTrueName(name, manifest)) return
  const reason =
    manifest === undefined ? 'the digest of a new image is not known yet' : `its digest is ${manifest}`
  throw new KataError('IMAGE_NAME_INVALID', { name: name.full, reason })
}
