/**
 * Both shares of a pod as one. The second daemon serves the host's directories that a guest may write, except root file systems. It sets no
 * set-user-id or set-group-id bits and no file capabilities, because users of the host could run such a program.
 */
import { closeSync, readlinkSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { everyStep } from '../ledger/every-step.ts'
import { mountOf } from '../linux/mounts/mount.ts'
import { isKubeletVolume } from './kubelet-volumes.ts'
import type { BindRequest, HostShare, Share, VolumeShare } from './share.ts'
import { openSource } from './source.ts'

export interface PodShareParts {
  readonly first: HostShare
  /** Absent when nothing is writable, or when the first share refuses such files itself. */
  readonly volumes: VolumeShare | undefined
  /** Whether a bind belongs to `volumes`. */
  readonly isGuarded: IsGuarded
}

export type IsGuarded = (containerId: string, bind: BindRequest) => boolean

/** @throws KataError SHARE_NO_VOLUMES from `addBind` for a volume without a share. */
export function createPodShare({ first, volumes, isGuarded }: PodShareParts): Share {
  return {
    idMap: first.idMap,
    addWatched: first.addWatched,
    streamBuffer: first.streamBuffer,
    addRootfs: first.addRootfs,
    async addBind(containerId, bind) {
      if (!isGuarded(containerId, bind)) return first.addBind(containerId, bind)
      if (volumes !== undefined) return volumes.addBind(containerId, bind)
      throw new KataError('SHARE_NO_VOLUMES', { source: bind.source, container: containerId })
    },
    removeContainer: (containerId) =>
      everyStep([() => volumes?.removeContainer(containerId), () => first.removeContainer(containerId)]),
    exited: volumes === undefined ? first.exited : Promise.race([first.exited, volumes.exited]),
  }
}

/**
 * Guards volumes that the guest may write, except kubelet's volumes and those at or below one of `suidVolumes` (shell patterns of directories).
 * `kubelet` is the kubelet's root directory. A volume that follows the host's later mounts (`follow`) counts as writable, because such a mount
 * may be.
 */
export function guardWritable(suidVolumes: readonly string[], kubelet: string): IsGuarded {
  const globs = suidVolumes
    .filter((pattern) => pattern !== '')
    .map((pattern) => new Bun.Glob(withoutEndSlash(pattern.replace(/\*{2,}/g, '*'))))
  return (containerId, { source, readonly, follow = false }) => {
    if (readonly && !follow) return false
    const { path, mount } = placeOf(source, containerId)
    return (
      !isKubeletVolume(path, kubelet, mount) &&
      !ancestry(path).some((above) => globs.some((glob) => glob.match(above)))
    )
  }
}

/** The source's path on the host without links, and its mount. Both are read from the opened source, which is what will be mounted. */
function placeOf(source: string, containerId: string) {
  const { fd } = openSource(source, containerId)
  try {
    return { path: readlinkSync(`/proc/self/fd/${fd}`), mount: mountOf(fd) }
  } finally {
    closeSync(fd)
  }
}

/** The path and all of its ancestors, with the root. */
function ancestry(path: string): string[] {
  const parts = path.split('/').filter(Boolean)
  return Array.from({ length: parts.length + 1 }, (_, count) => `/${parts.slice(0, count).join('/')}`)
}

const withoutEndSlash = (path: string): string => (path === '/' ? path : path.replace(/\/+$/, ''))
