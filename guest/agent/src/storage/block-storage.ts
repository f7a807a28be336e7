/** Disks as storage: the file system on a disk, or the disk itself as a device for a container. */
import { close, mount, nameErrno, open, readFile, type SysError, startMount } from 'syscalls'
import type { Storage } from '../../../../src/protocol/generated/agent.ts'
import { TtrpcError } from '../../../../src/ttrpc/ttrpc.ts'
import { mountFlags } from '../boot/flags.ts'
import { type BlockDevice, blockDrivers, findBlockDevice } from '../devices/block-device.ts'
import { loadModuleNamed } from '../devices/modules.ts'
import { deadline, describe, diskUnmountable, invalid } from '../errors.ts'
import { detach, errnoName, makeDirectories, openFlags, save } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { giveTreeToGroup } from './fs-group.ts'
import type { ExitOf } from './grow-volume.ts'
import { splitMountOptions } from './mount-options.ts'
import { openVerified, type VerifiedDisk } from './verified-disk.ts'
import { takeVerity } from './verity-table.ts'

/** Most time for a file system to be written back and unmounted. The host waits a minute, then removes the disk. */
const unmountMilliseconds = 55_000

export interface MountedDisk extends BlockDevice {
  /** The dm-verity device between the disk and its file system. */
  readonly verified?: VerifiedDisk
  /** The container's rights to the disk itself, if that is what it gets: letters of a device rule. */
  readonly shown?: string
  /** Whether the file system is mounted read-only. */
  readonly isReadOnly?: boolean
  /** Nodes of the file system's other disks. */
  readonly others?: readonly string[]
}

/**
 * Mounts the disk at the storage's place. The type `bind` asks for the disk itself: the mount point becomes its device node.
 *
 * @throws TtrpcError INVALID_ARGUMENT if the file system cannot be mounted; those of {@link findBlockDevice} and {@link openVerified}.
 */
export async function mountDisk(storage: Storage, exitOf: ExitOf): Promise<MountedDisk> {
  const { driver, source, fstype, options, mountPoint, fsGroup } = storage
  const disk = await findBlockDevice(driver, source)
  const { node } = disk
  const { words, nodes } = await withNodes(options)
  const { rest, wish } = takeVerity(words)
  const { flags, data } = splitMountOptions(rest)
  const readonly = (flags & mountFlags.readOnly) !== 0
  if (wish !== undefined && (fstype === 'bind' || !readonly))
    throw invalid(`dm-verity is for file systems that are only read, and ${mountPoint} is not`)
  if (fstype === 'bind') {
    makeDirectories(mountPoint.slice(0, mountPoint.lastIndexOf('/')))
    save(mountPoint, '')
    mount(node, mountPoint, '', mountFlags.bind, '')
    return { ...disk, shown: readonly ? 'rm' : 'rwm' }
  }
  makeDirectories(mountPoint)
  const verified = wish && openVerified(node, wish)
  try {
    const mounting = [verified?.node ?? node, mountPoint, fstype, flags, data] as const
    // A child mounts a writable disk, because replaying its journal takes time. Read-only layers, which are many, have no journal.
    await mountFileSystem(
      async () => (readonly ? errnoOf(() => mount(...mounting)) : exitOf(startMount(...mounting))),
      fstype,
    )
  } catch (error) {
    if (verified === undefined) throw error
    releaseQuietly(verified)
    throw unverifiable(error)
  }
  const mounted = { ...disk, isReadOnly: readonly, others: nodes, ...(verified && { verified }) }
  try {
    if (fsGroup !== undefined) await giveTreeToGroup(mountPoint, fsGroup, readonly)
  } catch (error) {
    // The host takes the disk back. A mount that stayed would seem to be of the next disk with this name.
    detach(mountPoint)
    await letGo(mounted).catch(() => {})
    throw error
  }
  return mounted
}

/** Why its file system cannot be mounted matters more than a device that stays. */
function releaseQuietly(verified: VerifiedDisk): void {
  try {
    verified.release()
  } catch {
    // It serves the next container that has this disk.
  }
}

/** Adds dm-verity as a possible cause: for a block with a wrong hash, the kernel reports only a read error. */
function unverifiable(error: unknown): TtrpcError {
  const hint = 'its content may not be that of its root hash (dm-verity)'
  return diskUnmountable(`${describe(error)}; ${hint}`, error)
}

/** Translates `device=DRIVER:PLACE`, which names another disk of the file system, to the kernel's `device=/dev/sdb`. */
async function withNodes(options: readonly string[]): Promise<{ words: string[]; nodes: string[] }> {
  const words: string[] = []
  const nodes: string[] = []
  for (const option of options) {
    const [, driver = '', place = ''] = /^device=([a-z]+):(.+)$/.exec(option) ?? []
    if (blockDrivers.includes(driver)) {
      const { node } = await findBlockDevice(driver, place)
      nodes.push(node)
      words.push(`device=${node}`)
    } else words.push(option)
  }
  return { words, nodes }
}

/** Waits until the disk, the file system's other disks and the dm-verity device are unused. @throws as {@link diskUnused}. */
export async function letGo({ node, others = [], verified }: MountedDisk): Promise<void> {
  if (verified !== undefined) {
    await diskUnused(verified.node)
    if (!verified.release()) return
  }
  for (const disk of [node, ...others]) await diskUnused(disk)
}

/**
 * Waits until no file system is on the disk, unless another container also has it mounted. A container's mount namespace, with its file systems,
 * disappears a moment after its last process. The host must not remove the disk before that.
 *
 * @throws TtrpcError DEADLINE_EXCEEDED.
 */
async function diskUnused(node: string): Promise<void> {
  for (let waited = 0; !isMounted(node); waited += 5) {
    try {
      close(open(node, openFlags.readOnly | openFlags.exclusive, 0))
      return
    } catch (error) {
      if (errnoName(error) !== 'EBUSY') return
    }
    if (waited >= unmountMilliseconds)
      throw deadline(`${node} is still in use after ${unmountMilliseconds} ms`)
    await sleep(5)
  }
}

/** Whether the disk is mounted in the agent's own mount namespace, where it mounts for all containers. */
function isMounted(node: string): boolean {
  return readFile('/proc/self/mounts')
    .split('\n')
    .some((line) => line.startsWith(`${node} `))
}

/** Mounts, and if the kernel does not know the file system, loads its module and tries again. `attempt` returns 0 or an errno. */
async function mountFileSystem(attempt: () => Promise<number>, type: string): Promise<void> {
  let name = nameOf(await attempt())
  if (name === 'ENODEV') {
    try {
      loadModuleNamed(type)
    } catch (cause) {
      const reason = cause instanceof TtrpcError ? cause.message : errnoName(cause)
      throw diskUnmountable(`the disk cannot be mounted as ${type}: ${reason}`, cause)
    }
    name = nameOf(await attempt())
  }
  if (name !== '') throw diskUnmountable(`the disk cannot be mounted as ${type}: ${name}`)
}

/** Returns 0 if the call succeeds, else its errno. */
function errnoOf(call: () => void): number {
  try {
    call()
    return 0
  } catch (error) {
    return (error as SysError).errno
  }
}

const nameOf = (errno: number): string => (errno === 0 ? '' : nameErrno(errno))
