/** The copy of an image's file or directory that skopeo reads: it has no right to any other file of root's. */
import { constants, existsSync, lchownSync, lstatSync, readdirSync, realpathSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { KataError } from '../../errors.ts'
import type { ImageSource } from '../names/image-source.ts'

export interface SourceCopy {
  readonly target: string
  /** Who gets it. */
  readonly uid: number
  readonly signal: AbortSignal
  /** @throws when there is no room for so many bytes. */
  readonly checkRoom: (bytes: number) => void
}

/**
 * Links in a directory stay links, which lead a reader no further than his own rights.
 *
 * @throws KataError ROOTFS_MISSING, PULL_FAILED; what `checkRoom` throws; the signal's reason.
 */
export async function copySource(
  { reference, place }: ImageSource,
  { target, uid, signal, checkRoom }: SourceCopy,
): Promise<void> {
  if (place === undefined) return
  if (!existsSync(place.path))
    throw new KataError('ROOTFS_MISSING', { path: place.path, reason: 'it does not exist' })
  try {
    const path = realpathSync(place.path)
    checkRoom(bytesBelow(path))
    await cp(path, target, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE })
    give(target, uid)
  } catch (error) {
    if (error instanceof KataError) throw error
    const reason = (error as Error).message
    throw new KataError('PULL_FAILED', { image: reference, reason }, { cause: error })
  }
  signal.throwIfAborted()
}

/** @throws ENOENT. */
function bytesBelow(path: string): number {
  const stat = lstatSync(path)
  if (!stat.isDirectory()) return stat.size
  return readdirSync(path).reduce((bytes, name) => bytes + bytesBelow(`${path}/${name}`), 0)
}

function give(path: string, uid: number): void {
  lchownSync(path, uid, uid)
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) give(`${path}/${name}`, uid)
}
