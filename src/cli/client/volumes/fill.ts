/** What a container finds in a volume that is still empty: as with docker, what its image has in that place. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { describeError, KataError } from '../../../errors.ts'
import { copyMergedDirectory } from '../../../images/merged-copy.ts'
import { underDirectoryLock } from '../../../linux/files/directory-lock.ts'
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

/** A marker stands beside the files while they are copied: what a copy that was broken off has left is not the volume's content. */
async function fill(
  { directory, data }: VolumePaths,
  lowerDirs: readonly string[],
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const marker = `${directory}/filling`
  if (existsSync(marker)) for (const name of readdirSync(data)) await removeEntry(`${data}/${name}`, signal)
  else if (readdirSync(data).length > 0) return
  writeFileSync(marker, '', { mode: 0o600 })
  await copyMergedDirectory(lowerDirs, path, data, signal)
  rmSync(marker)
}

async function removeEntry(path: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await removeTree(path, signal)
  } catch (error) {
    if (!isNoDirectory(error)) throw error
    rmSync(path)
  }
}

const isNoDirectory = (error: unknown): boolean =>
  ['ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')
