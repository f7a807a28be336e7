/** Storage that the host asks the guest to mount: Kata's Storage messages. */
import { remove } from 'os'
import { chmod, close, lchown, mount, open, openIn, syncFileSystem } from 'syscalls'
import type { Storage } from '../../../../src/protocol/generated/agent.ts'
import { mountFlags } from '../boot/flags.ts'
import { blockDrivers } from '../devices/block-device.ts'
import { deadline, invalid, unimplemented } from '../errors.ts'
import { detach, errnoName, makeDirectories, openFlags, removeIfEmpty, removeTree } from '../system/files.ts'
import { bundles, isWithin, layers, sharedDirectory } from '../system/paths.ts'
import { sleep, within } from '../system/wait.ts'
import { letGo, type MountedDisk, mountDisk } from './block-storage.ts'
import { type DirectoryFacts, makeDirectory } from './copy-file.ts'
import { giveTreeToGroup } from './fs-group.ts'
import type { ExitOf } from './grow-volume.ts'
import { splitMountOptions } from './mount-options.ts'
import { mountOverlay, overlayDriver } from './overlay.ts'
import { type VolumeWatch, watchDriver, watchVolume } from './volume-watch.ts'

/** Most time for a share to appear after the host has plugged it in. */
const hotplugMilliseconds = 3000
/** How long a disk may take for what is written back: the host waits for a minute. */
const writeBackMilliseconds = 55_000

/** Kinds of storage that {@link mountStorage} knows. */
export const storageDrivers = ['virtio-fs', 'ephemeral', 'local', overlayDriver, watchDriver, ...blockDrivers]

/** A mounted storage, with what {@link unmountStorage} needs. */
export interface MountedStorage {
  readonly mountPoint: string
  /** The disk below the mount. */
  readonly disk?: MountedDisk
  /** Whether the mount is an overlay, which may have disks below it. */
  readonly isOverlay?: boolean
  /** Whether the storage is a mere directory. Nothing is mounted on it, and it stays where it is. */
  readonly isDirectory?: boolean
  /** Keeps a copy of a volume up to date. It must be stopped before the container gives up its part of the share. */
  readonly watch?: VolumeWatch
}

/** Mounts one storage; nothing stays mounted of one that fails. @throws TtrpcError for an unknown driver, SysError from mount(2). */
export async function mountStorage(storage: Storage, exitOf: ExitOf): Promise<MountedStorage> {
  const { mountPoint } = storage
  if (!mountPoint.startsWith('/') || mountPoint.split('/').includes('..'))
    throw invalid(`storage mount point ${mountPoint} is not an absolute path`)
  try {
    return await mountAt(storage, exitOf)
  } catch (error) {
    removeMountPoint(mountPoint)
    throw error
  }
}

async function mountAt(storage: Storage, exitOf: ExitOf): Promise<MountedStorage> {
  const { driver, mountPoint, fsGroup } = storage
  if (blockDrivers.includes(driver)) return { mountPoint, disk: await mountDisk(storage, exitOf) }
  if (driver === overlayDriver) return mountOverlay(storage)
  if (driver === watchDriver) return { mountPoint, watch: await watchVolume(storage) }
  let isDirectory = false
  makeDirectories(mountPoint)
  if (driver === 'virtio-fs') await mountShare(storage)
  else if (driver === 'ephemeral') mountEphemeral(storage)
  else if (driver === 'local') isDirectory = prepareLocal(storage)
  else throw unimplemented(`storage driver ${driver}`)
  try {
    if (driver === 'ephemeral') giveMemoryToGroup(storage)
    if (fsGroup !== undefined) await giveTreeToGroup(mountPoint, fsGroup, storage.options.includes('ro'))
  } catch (error) {
    // Nobody knows of it, and the next try would mount above it.
    if (!isDirectory) detach(mountPoint)
    throw error
  }
  return { mountPoint, isDirectory }
}

/**
 * Unmounts the storage. A disk is written back and unused afterwards.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED if the disk stays in use, or is not written back in time. It stays mounted, and another call can unmount it.
 */
export async function unmountStorage(
  { mountPoint, disk, isOverlay = false, isDirectory = false, watch }: MountedStorage,
  exitOf: ExitOf,
): Promise<void> {
  if (isDirectory) return
  watch?.stop()
  if (isOverlay || (disk !== undefined && disk.shown === undefined && !disk.isReadOnly))
    await writeBack(mountPoint, exitOf)
  if (watch === undefined) detach(mountPoint)
  else removeTree(mountPoint)
  removeMountPoint(mountPoint)
  if (disk !== undefined) await letGo(disk)
}

/**
 * Removes the mount point and its directory, unless something is in or on them. Each container has its own mount points, one for each layer.
 * They are in the file system that the agent needs for every call, and would use up its inodes in the end. Directories in a share are the
 * host's, and stay.
 */
function removeMountPoint(path: string): void {
  const isOwn = [bundles, layers].some((directory) => isWithin(path, directory))
  if (!isOwn || isWithin(path, sharedDirectory)) return
  remove(path)
  removeIfEmpty(path.slice(0, path.lastIndexOf('/')))
}

/**
 * Writes the file system back in a child. Otherwise the last unmount would do it in the agent, which could not answer meanwhile, and after half
 * a minute the host would take the machine for dead. If this fails, the unmount writes the rest.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED. The child goes on: an unmount after its end would have to write what is left.
 */
async function writeBack(mountPoint: string, exitOf: ExitOf): Promise<void> {
  let child: number
  try {
    child = syncFileSystem(mountPoint)
  } catch {
    // The guest has no memory for a child.
    return
  }
  await within(exitOf(child), writeBackMilliseconds, () =>
    deadline(`${mountPoint} is not written back after ${writeBackMilliseconds} ms`),
  )
}

/** Mounts a share. It may have been plugged in just before this call, and until its driver is ready the tag is unknown (EINVAL). */
async function mountShare({ source, fstype, options, mountPoint }: Storage): Promise<void> {
  const { flags, data } = splitMountOptions(options)
  for (let waited = 0; ; waited += 5) {
    try {
      mount(source, mountPoint, fstype || 'virtiofs', flags, data)
      return
    } catch (error) {
      if (errnoName(error) !== 'EINVAL') throw error
      if (waited >= hotplugMilliseconds)
        throw deadline(`no share ${source} appeared within ${hotplugMilliseconds} ms`, error)
    }
    await sleep(5)
  }
}

/** Mounts a file system in memory: the sandbox's /dev/shm, or a volume that lives as long as the pod. */
function mountEphemeral({ source, fstype, options, mountPoint }: Storage): void {
  const { flags, data } = splitMountOptions(options)
  mount(source || 'tmpfs', mountPoint, fstype || 'tmpfs', flags, data)
}

function giveMemoryToGroup({ options, mountPoint }: Storage): void {
  giveToGroup(mountPoint, splitMountOptions(options).settings, '1777')
}

/** Resizes a mounted tmpfs and keeps its content. @throws SysError EINVAL if the content is larger. */
export function resizeEphemeral({ source, fstype, options, mountPoint }: Storage): void {
  const { flags, data } = splitMountOptions(options)
  mount(source || 'tmpfs', mountPoint, fstype || 'tmpfs', flags | mountFlags.remount, data)
}

/** Prepares a directory in the guest or, with `subpath=`, a part of the volume `source`. @returns whether it is the directory. */
function prepareLocal({ source, options, mountPoint }: Storage): boolean {
  const { settings } = splitMountOptions(options)
  const subpath = settings.get('subpath')
  if (subpath !== undefined) {
    mountPart(source, subpath, mountPoint, factsOfPart(settings))
    return false
  }
  chmod(mountPoint, parseMode(settings, '0755'))
  giveToGroup(mountPoint, settings, '0755')
  return true
}

/** Mode and owner for new directories of a volume. kubelet gives them the volume's own mode. Owner and group -1 mean the agent's own. */
function factsOfPart(settings: ReadonlyMap<string, string>): DirectoryFacts {
  const mode = parseMode(settings, '0755')
  const gid = parseGroup(settings)
  return gid === undefined ? { mode, uid: -1, gid: -1 } : { mode: mode | groupBits, uid: -1, gid }
}

/**
 * Mounts the directory `subpath` of a volume, made if missing. A container may have put symbolic links there: they are followed inside the
 * volume only, and the mount is of the opened directory.
 */
function mountPart(volume: string, subpath: string, mountPoint: string, facts: DirectoryFacts): void {
  const part = openPart(volume, subpath, facts)
  try {
    mount(`/proc/self/fd/${part}`, mountPoint, '', mountFlags.bind, '')
  } finally {
    close(part)
  }
}

/**
 * Opens the directory `subpath`, made if missing. An existing directory keeps its mode: a container may have closed it to others, and programs
 * that check the mode start again.
 *
 * @throws TtrpcError INVALID_ARGUMENT if the path leads nowhere inside the volume.
 */
function openPart(volume: string, subpath: string, facts: DirectoryFacts): number {
  const names = subpath.split('/').filter((name) => name !== '')
  const top = open(volume, openFlags.directory, 0)
  try {
    for (const [depth, name] of names.entries()) {
      const parent = openIn(top, names.slice(0, depth).join('/') || '.', openFlags.directory, 0)
      try {
        makeDirectory(parent, name, facts)
      } finally {
        close(parent)
      }
    }
    return openIn(top, names.join('/') || '.', openFlags.directory, 0)
  } catch (error) {
    const name = volume.slice(volume.lastIndexOf('/') + 1)
    throw invalid(`subPath ${subpath} of volume ${name} cannot be opened: ${errnoName(error)}`, error)
  } finally {
    close(top)
  }
}

/** Bits that let the group write, and give new files to the group (set-group-id). */
const groupBits = 0o2070

/** Gives the directory to the group, as kubelet does for fsGroup. */
function giveToGroup(path: string, settings: ReadonlyMap<string, string>, defaultMode: string): void {
  const group = parseGroup(settings)
  if (group === undefined) return
  lchown(path, -1, group)
  chmod(path, parseMode(settings, defaultMode) | groupBits)
}

/** The group of `fsgid=`, if present. @throws TtrpcError INVALID_ARGUMENT. */
function parseGroup(settings: ReadonlyMap<string, string>): number | undefined {
  const group = settings.get('fsgid')
  if (group === undefined) return undefined
  if (!/^\d+$/.test(group)) throw invalid(`fsgid=${group} is not a number`)
  return Number(group)
}

function parseMode(settings: ReadonlyMap<string, string>, missing: string): number {
  const mode = settings.get('mode') ?? missing
  if (!/^[0-7]{1,5}$/.test(mode)) throw invalid(`mode=${mode} is not octal`)
  return Number.parseInt(mode, 8)
}
