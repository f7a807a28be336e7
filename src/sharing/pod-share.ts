/**
 * Both shares of a pod as one. What a guest may write of the host's, other than its root file systems, is served by a daemon
 * that gives no file a set-user-id or set-group-id bit, nor capabilities: there such a program would be one of the host's.
 */
import { closeSync, readlinkSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { isKubeletVolume } from './kubelet-volumes.ts'
import type { BindRequest, HostShare, Share, VolumeShare } from './share.ts'
import { openSource } from './source.ts'

export interface PodShareParts {
  readonly first: HostShare
  /** Missing where nothing is to be written, or where the first refuses such files itself. */
  readonly volumes: VolumeShare | undefined
  /** Whether a bind belongs to `volumes`. */
  readonly isGuarded: IsGuarded
}

export type IsGuarded = (containerId: string, bind: BindRequest) => boolean

/** @throws KataError SHARE_NO_VOLUMES from `addBind` for a volume that there is no share for. */
export function createPodShare({ first, volumes, isGuarded }: PodShareParts): Share {
  return {
    idMap: first.idMap,
    watchedPath: first.watchedPath,
    addRootfs: first.addRootfs,
    async addBind(containerId, bind) {
      if (!isGuarded(containerId, bind)) return first.addBind(containerId, bind)
      if (volumes !== undefined) return volumes.addBind(containerId, bind)
      throw new KataError('SHARE_NO_VOLUMES', { source: bind.source, container: containerId })
    },
    async removeContainer(containerId) {
      await volumes?.removeContainer(containerId)
      await first.removeContainer(containerId)
    },
    exited: volumes === undefined ? first.exited : Promise.race([first.exited, volumes.exited]),
  }
}

/**
 * Guards what the guest may write, except volumes of kubelet's, and those that are, or lie below, one of `suidVolumes`: shell
 * patterns of directories. With the mounts that the host makes below it later (`follow`) a volume may be written in part, however
 * it was asked for.
 */
export function guardWritable(suidVolumes: readonly string[]): IsGuarded {
  const globs = suidVolumes
    .filter((pattern) => pattern !== '')
    .map((pattern) => new Bun.Glob(withoutEndSlash(pattern.replace(/\*{2,}/g, '*'))))
  return (containerId, { source, readonly, follow = false }) => {
    if (readonly && !follow) return false
    const path = realPath(source, containerId)
    return !isKubeletVolume(path) && !ancestry(path).some((above) => globs.some((glob) => glob.match(above)))
  }
}

/** Where it is on the host: what counts is what will be mounted, not the links on the way. */
function realPath(source: string, containerId: string): string {
  const { fd } = openSource(source, containerId)
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
  }
}

/** The path itself and every directory that it lies in, the root included. */
function ancestry(path: string): string[] {
  const parts = path.split('/').filter(Boolean)
  return Array.from({ length: parts.length + 1 }, (_, count) => `/${parts.slice(0, count).join('/')}`)
}

const withoutEndSlash = (path: string): string => (path === '/' ? path : path.replace(/\/+$/, ''))
