/** What the host asks to be mounted in the guest: Kata's Storage messages. */
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

/** How long a share may take to appear after the host has plugged it in. */
const hotplugMilliseconds = 3000
/** How long a disk may take for what is written back: the host waits for a minute. */
const writeBackMilliseconds = 55_000

/** Kinds of storage that {@link mountStorage} knows. */
export const storageDrivers = ['virtio-fs', 'ephemeral', 'local', overlayDriver, watchDriver, ...blockDrivers]

/** What {@link unmountStorage} needs to know of one. */
export interface MountedStorage {
  readonly mountPoint: string
  /** The disk that it is on. */
  readonly disk?: MountedDisk
  /** Whether it holds disks below it. */
  readonly isOverlay?: boolean
  /** Whether it is a mere directory, on which nothing is mounted. It stays where it is. */
  readonly isDirectory?: boolean
  /** What keeps the copy that it is. To be stopped before the container leaves what it has of the share. */
  readonly watch?: VolumeWatch
}

/** Mounts one storage. @throws TtrpcError for an unknown driver, SysError from mount(2). */
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
  if (fsGroup !== undefined) await giveTreeToGroup(mountPoint, fsGroup, storage.options.includes('ro'))
  return { mountPoint, isDirectory }
}

/**
 * Takes it away again; a disk is written back and unused after it.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED for a disk in use, or one that does not take what is written in time: that stays mounted, to be taken
 *   away by another call.
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
 * Each container has its own, one for each layer even. They lie in the file system in which the agent keeps what it needs for every call, and
 * would use up its nodes in the end. One that has something in it stays, or on it, and so does what the host has made in a share.
 */
function removeMountPoint(path: string): void {
  const isOwn = [bundles, layers].some((directory) => isWithin(path, directory))
  if (!isOwn || isWithin(path, sharedDirectory)) return
  remove(path)
  removeIfEmpty(path.slice(0, path.lastIndexOf('/')))
}

/**
 * Else the last unmount would do it, in the agent itself, which answers nobody meanwhile: after half a minute its host takes the machine
 * for dead. What cannot be written is left to the unmount.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED. The process goes on: an unmount after its end would have to write what is left.
 */
async function writeBack(mountPoint: string, exitOf: ExitOf): Promise<void> {
  let child: number
  try {
    child = syncFileSystem(mountPoint)
  } catch {
    // No memory for a process.
    return
  }
  await within(exitOf(child), writeBackMilliseconds, () =>
    deadline(`${mountPoint} is not written back after ${writeBackMilliseconds} ms`),
  )
}

/** A share may be plugged in only just before this call: the tag is unknown (EINVAL) until its driver has it. */
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

/** Memory-backed: the sandbox's /dev/shm, and volumes that live as long as the pod. */
function mountEphemeral({ source, fstype, options, mountPoint }: Storage): void {
  const { flags, data, settings } = splitMountOptions(options)
  mount(source || 'tmpfs', mountPoint, fstype || 'tmpfs', flags, data)
  giveToGroup(mountPoint, settings, '1777')
}

/** Another size for a tmpfs that is mounted; what it holds stays. @throws SysError EINVAL if it holds more. */
export function resizeEphemeral({ source, fstype, options, mountPoint }: Storage): void {
  const { flags, data } = splitMountOptions(options)
  mount(source || 'tmpfs', mountPoint, fstype || 'tmpfs', flags | mountFlags.remount, data)
}

/** A directory in the guest, or with `subpath=` a part of the volume `source`. Whether it is the former. */
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

/** What a directory of a volume gets when it is made: kubelet gives it the volume's own mode. The group -1 is that of the maker. */
function factsOfPart(settings: ReadonlyMap<string, string>): DirectoryFacts {
  const mode = parseMode(settings, '0755')
  const gid = parseGroup(settings)
  return gid === undefined ? { mode, uid: -1, gid: -1 } : { mode: mode | groupBits, uid: -1, gid }
}

/**
 * Shows the directory `subpath` of a volume, made if missing. A container of the pod may have put symbolic links there:
 * they are followed inside the volume only, and what was opened is what gets mounted.
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
 * A directory that is there stays as it is: its container may have closed it to others, and programs that look at its mode start again.
 *
 * @throws TtrpcError INVALID_ARGUMENT when what lies there now leads nowhere inside the volume.
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

/** Its group may write, and new files belong to the group (set-group-ID). */
const groupBits = 0o2070

/** As kubelet does it for fsGroup. */
function giveToGroup(path: string, settings: ReadonlyMap<string, string>, defaultMode: string): void {
  const group = parseGroup(settings)
  if (group === undefined) return
  lchown(path, -1, group)
  chmod(path, parseMode(settings, defaultMode) | groupBits)
}

/** That of `fsgid=`, if it is given. @throws TtrpcError INVALID_ARGUMENT. */
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
