/**
 * emptyDir volumes as disks (`emptydir_mode = "block-plain"`): each is one disk of the machine, which all containers of the pod share and
 * which goes with the pod. Its size is a limit that the guest's kernel keeps.
 */
import { closeSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Config } from '../../config/config.ts'
import { findDiskAt } from '../../devices/host-disk.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { openOperatorPath } from '../../linux/files/operator-path.ts'
import { mountEntries } from '../../linux/mounts/mount.ts'
import type { OciMount } from '../../oci/spec.ts'
import type { Disks } from '../storage/disks.ts'
import {
  emptyDirPart,
  isEmptyDir,
  type MemoryVolume,
  partOptions,
  type VolumeStorage,
} from '../storage/memory-volume.ts'
import {
  diskBytes,
  emptyDirDiskResource,
  filesName,
  imageName,
  makeEmptyDirImage,
  removeOldImages,
} from './empty-dir-image.ts'
import { freshExt4 } from './fresh-ext4.ts'
import { placeOf } from './guest-disk.ts'

/** Beside the directories of containers, whose names could be those of volumes. */
const guestVolumes = '/run/kata-containers/sandbox/emptydir'
const guestParts = '/run/kata-containers/sandbox/emptydir-parts'

export interface EmptyDirsParts {
  readonly sandboxId: string
  readonly config: Pick<Config, 'runtime'>
  readonly ledger: Ledger
  readonly disks: Pick<Disks, 'attach'>
  /** A directory of root's, used while a disk is made. */
  readonly stateDir: string
}

export class EmptyDirs {
  readonly #parts: EmptyDirsParts
  /** By directory on the host; two containers may want one at once. */
  readonly #volumes = new Map<string, Promise<VolumeStorage>>()

  constructor(parts: EmptyDirsParts) {
    this.#parts = parts
  }

  /**
   * What the agent is asked for in place of a bind by a container of the pod `podUid`; undefined for what is no emptyDir on disk, or when the
   * configuration shares them.
   *
   * @throws KataError SOURCE_LINK, EMPTYDIR_DISK_FAILED, ROOTFS_DISK_TOOL, DEVICE_*, those of the VMM.
   */
  async volumeOf(
    { source = '' }: OciMount,
    container: string,
    podUid: string | undefined,
  ): Promise<MemoryVolume | undefined> {
    if (this.#parts.config.runtime.emptydirMode !== 'block-plain') return undefined
    if (isEmptyDir(source, podUid)) {
      if (!isDirectory(source)) return undefined
      const volume = await this.#require(source)
      return { storages: [volume], guestPath: `${volume.mountPoint}/${filesName}` }
    }
    const part = emptyDirPart(source, podUid)
    if (part === undefined || !isDirectory(part.volume)) return undefined
    const subpath = pathWithin(part.volume, source)
    if (subpath === undefined) return undefined
    const mountPoint = `${guestParts}/${container}-${part.volumeName}-${basename(source)}`
    return partOf(await this.#require(part.volume), partOptions(subpath, source), mountPoint)
  }

  #require(directory: string): Promise<VolumeStorage> {
    const known = this.#volumes.get(directory)
    if (known !== undefined) return known
    const made = this.#make(directory)
    this.#volumes.set(directory, made)
    made.catch(() => this.#volumes.delete(directory))
    return made
  }

  async #make(directory: string): Promise<VolumeStorage> {
    const { sandboxId, config, ledger, disks, stateDir } = this.#parts
    const path = `${directory}/${imageName(sandboxId)}`
    // Only its name says that it is kubelet's. The pod that was given a directory above it may have made a link of it, or make one meanwhile.
    const location = openOperatorPath(directory)
    try {
      const opened = `/proc/self/fd/${location}`
      removeOldImages(opened)
      const bytes = diskBytes(opened, config.runtime.emptydirDiskSize)
      await ledger.take(emptyDirDiskResource, { path }, () =>
        makeEmptyDirImage(`${opened}/${basename(path)}`, { directory, bytes, scratch: stateDir }),
      )
    } finally {
      closeSync(location)
    }
    using disk = findDiskAt(path, { kind: 'file' }, sandboxId)
    // No container is its user, so that it stays as long as the machine.
    const use = { readonly: false, direct: false, isScratch: true }
    const { address } = await disks.attach(`emptyDir ${directory}`, disk, use)
    return {
      driver: address.driver,
      source: placeOf(address),
      fstype: 'ext4',
      options: [...freshExt4, 'discard'],
      mountPoint: `${guestVolumes}/${basename(directory)}`,
      shared: true,
    }
  }
}

function partOf(volume: VolumeStorage, options: string[], mountPoint: string): MemoryVolume {
  const part: VolumeStorage = {
    driver: 'local',
    source: `${volume.mountPoint}/${filesName}`,
    fstype: '',
    options,
    mountPoint,
    shared: false,
  }
  return { storages: [volume, part], guestPath: mountPoint }
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** Path below `directory` of what is bound at `point`; undefined when that is from elsewhere. kubelet binds a `subPath` so. */
export function pathWithin(directory: string, point: string): string | undefined {
  const entries = mountEntries()
  const bound = entries.findLast((entry) => entry.point === point)
  const isAbove = ({ point: above }: { point: string }) =>
    directory === above || directory.startsWith(above.replace(/\/?$/, '/'))
  // The longest, and of several at one place the newest, which covers the others.
  const below = entries
    .filter(isAbove)
    .reduce((one, other) => (other.point.length < one.point.length ? one : other))
  const top = `${below.root}/${directory.slice(below.point.length)}/`.replaceAll(/\/+/g, '/')
  return bound?.root.startsWith(top) ? bound.root.slice(top.length) : undefined
}
