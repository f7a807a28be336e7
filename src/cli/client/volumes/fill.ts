/** What a container finds in a volume that is still empty: as with docker, what its image has in that place. */
import {
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs'
import { describeError, KataError } from '../../../errors.ts'
import { copyMergedDirectory } from '../../../images/merged-copy.ts'
import { moveIfNew } from '../../../linux/files/directory.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { closing } from '../../../linux/files/open-at.ts'
import { removeTree } from '../../../linux/files/remove-tree.ts'
import type { Volume } from '../../parse/volume.ts'
import { createVolume, type VolumePaths, type VolumeStore, volumePaths } from './store.ts'

/** How long another container may take to fill the same volume, milliseconds. */
const patienceMs = 120_000

/**
 * Makes the volumes that are named and not there yet, and fills those that are empty. `lowerDirs` are the layers of the container's image,
 * topmost first.
 *
 * @throws KataError VOLUME_FILL_FAILED, VOLUME_UNREADABLE.
 */
export async function prepareVolumes(
  store: VolumeStore,
  volumes: readonly Volume[],
  lowerDirs: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  for (const { name, noCopy, destination } of volumes) {
    if (name === undefined) continue
    createVolume(store, name)
    if (noCopy === true) continue
    const paths = volumePaths(store, name)
    const failed = (reason: string, cause?: unknown) =>
      new KataError('VOLUME_FILL_FAILED', { name, path: destination, reason }, { cause })
    const outcome = await underDirectoryLock(paths.directory, patienceMs, async () => {
      try {
        await fill(paths, lowerDirs, destination, signal)
      } catch (cause) {
        throw failed(describeError(cause), cause)
      }
    })
    if (outcome === 'busy') throw failed('another container is filling it')
    if (outcome === 'gone') throw failed('it was removed meanwhile')
  }
}

/**
 * The copy is made beside the files, and moved to them once it is whole. Others may write to the volume meanwhile, or after a copy that was
 * broken off: what they have written is neither replaced nor removed.
 */
async function fill(
  { directory, data }: VolumePaths,
  lowerDirs: readonly string[],
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [filling, filled] = [`${directory}/filling`, `${directory}/filled`]
  // What a killed filling left.
  await removeEntry(filling)
  if (!existsSync(filled)) {
    if (readdirSync(data).length > 0) return
    mkdirSync(filling, { mode: 0o700 })
    try {
      if (await copyMergedDirectory(lowerDirs, path, filling, signal)) renameSync(filling, filled)
    } finally {
      await removeEntry(filling)
    }
  }
  if (existsSync(filled)) await moveIn(filled, data)
}

/** May have been begun before, by one that was killed. */
async function moveIn(filled: string, data: string): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  closing(openSync(filled, flags), (from) =>
    closing(openSync(data, flags), (to) => {
      if (readdirSync(data).length === 0) giveOwnerAndMode(to, fstatSync(from))
      for (const name of readdirSync(filled, { encoding: 'buffer' })) moveIfNew(from, name, to)
    }),
  )
  await removeTree(filled)
}

function giveOwnerAndMode(fd: number, { uid, gid, mode }: Stats): void {
  fchownSync(fd, uid, gid)
  fchmodSync(fd, mode & 0o7777)
}

async function removeEntry(path: string): Promise<void> {
  try {
    await removeTree(path)
  } catch (error) {
    if (!isNoDirectory(error)) throw error
    rmSync(path)
  }
}

const isNoDirectory = (error: unknown): boolean =>
  ['ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')
