/**
 * ConfigMap, Secret, projected and downwardAPI volumes. kubelet changes them while containers run, and programs wait for that by
 * inotify. A change on the host raises no event in a share, so the agent copies such a volume into memory of the guest, looks every
 * two seconds and repeats each change there: Kata's driver `watchable-bind`, with Kata's limits.
 */
import { closeSync } from 'node:fs'
import { isBind, isReadOnly } from '../../oci/mounts.ts'
import type { OciMount } from '../../oci/spec.ts'
import { watchDriver } from '../../protocol/storage-drivers.ts'
import { bindEntryName } from '../../sharing/binds.ts'
import { openSource } from '../../sharing/source.ts'
import type { VolumeStorage } from './memory-volume.ts'
import { SourceTree } from './source-tree.ts'
import { currentEntries } from './volume-versions.ts'

/** kubelet's layout, whatever its root directory is. */
const inVolume = /\/volumes\/kubernetes\.io~(configmap|secret|projected|downward-api)\/[^/]+/
const wholeVolume = new RegExp(`${inVolume.source}/?$`)

const watchLimits = { files: 16, bytes: 1024 * 1024 } as const
/** What is looked at to find out: kubelet may be at work, and then two versions are there. */
const treeLimits = { entries: 256, bytes: 4 * watchLimits.bytes } as const

/** `shared`: as any other directory of the host. */
export type WayToShow = 'watched' | 'shared' | 'too large'

/** Whether the path is, or lies in, a volume that kubelet alone writes. */
export const isInApiVolume = (source: string): boolean => inVolume.test(source)

/**
 * A volume that the container may write stays shared (kubelet mounts none so): writes to a copy would not reach the host. A part
 * of a volume (`subPath`) stays shared too, because kubelet does not update it.
 *
 * @throws KataError SHARE_SOURCE_MISSING, SHARE_SOURCE_KIND, SOURCE_LINK.
 */
export function howToShow(mount: OciMount, container: string): WayToShow {
  const { source = '' } = mount
  if (!isBind(mount) || !wholeVolume.test(source)) return 'shared'
  if (!isReadOnly(mount)) return 'shared'
  const { fd, kind } = openSource(source, container)
  if (kind === 'directory') return fits(fd) ? 'watched' : 'too large'
  closeSync(fd)
  return 'shared'
}

/** What the agent is asked for, in place of the bind that the share has `mount.source` for. Each container has a copy of its own. */
export function watchedStorage(mount: OciMount, container: string, watchedPath: string): VolumeStorage {
  return {
    driver: watchDriver,
    source: mount.source ?? '',
    fstype: 'bind',
    options: mount.options ?? [],
    mountPoint: `${watchedPath}/${bindEntryName(container, mount.destination)}`,
    shared: false,
  }
}

export const unwatchedWarning = (source: string): string =>
  `${source} has more than ${watchLimits.files} files or ${watchLimits.bytes / 1024} KiB: containers see its changes, but get no inotify events of them`

/** Closes `top`. */
function fits(top: number): boolean {
  using tree = new SourceTree(top, treeLimits, () => {
    throw tooMuch
  })
  try {
    const files = currentEntries(tree.entries()).filter(({ stat }) => stat.isFile())
    const bytes = files.reduce((sum, { stat }) => sum + stat.size, 0)
    return files.length <= watchLimits.files && bytes <= watchLimits.bytes
  } catch (error) {
    if (error === tooMuch) return false
    throw error
  }
}

const tooMuch = new Error('the volume has more than is looked at')
