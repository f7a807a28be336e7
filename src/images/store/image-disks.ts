/** Root file systems of images as disks that can only be read: one for the same layers, however many containers have it. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { withBestEffortLock } from '../../linux/files/directory-lock.ts'
import { makeErofs } from '../make-erofs.ts'
import { unfinishedName } from '../unfinished.ts'
import { diskName } from './disk-names.ts'
import { storeBytes } from './image-store.ts'
import { storeFull } from './import.ts'
import { treeBytes } from './layer-sizes.ts'
import type { StorePaths } from './store-paths.ts'

export interface ImageDiskRequest {
  /** Host directories that are named by what is in them, topmost first. */
  readonly layers: readonly string[]
  /** The limit of the whole store; 0: none. */
  readonly limitBytes: number
  /** For errors. */
  readonly container: string
  readonly signal: AbortSignal
}

/** How long another start may take to make the same disk, milliseconds. Behind that both make it, and one wins. */
const patienceMs = 600_000

/**
 * The path of the disk with these layers, which is made if it is not there. The caller shares the store until it is noted that a
 * container has the disk.
 *
 * @throws KataError IMAGE_STORE_FULL, and as {@link makeErofs}; the signal's reason.
 */
export async function imageDisk(paths: StorePaths, request: ImageDiskRequest): Promise<string> {
  const { layers, limitBytes, container, signal } = request
  const name = diskName(layers.map((layer) => basename(layer)))
  const target = `${paths.disks}/${name}`
  const makeOnce = async () => {
    if (existsSync(target)) return
    const used = storeBytes(paths)
    const needed = layers.reduce((sum, layer) => sum + treeBytes(layer), 0)
    if (limitBytes > 0 && used + needed > limitBytes)
      throw storeFull({ name: `the disk of container ${container}`, used, limitBytes })
    const scratch = `${paths.layout}/${unfinishedName('disk')}`
    const mostBytes = limitBytes > 0 ? limitBytes - used : undefined
    await makeErofs({ layers, target, scratch, key: name, mostBytes, container, signal })
  }
  await withBestEffortLock(paths.disks, patienceMs, makeOnce, signal)
  return target
}
