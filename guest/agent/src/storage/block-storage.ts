/** Disks as storage: the file system on one, or the disk itself to be shown in a container. */
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

/** How long a file system may take to write back and go: the host waits for a minute, and the disk is taken away then. */
const unmountMilliseconds = 55_000

export interface MountedDisk extends BlockDevice {
  /** What stands between the disk and its file system. */
  readonly verified?: VerifiedDisk
  /** What a container may do with the disk itself, which is shown to it: letters of a device rule. */
  readonly shown?: string
  /** Whether its file system can only be read. */
  readonly isReadOnly?: boolean
  /** Nodes of the other disks that the file system is on. */
  readonly others?: readonly string[]
}

/**
 * Mounts the disk that the storage names by its place. The type `bind` asks for the disk itself: a file at the mount point
 * that is its device node.
 *
 * @throws TtrpcError INVALID_ARGUMENT when the file system cannot be mounted, or of {@link findBlockDevice} and {@link openVerified}.
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
    // A process of its own for a journal that has to be read. Layers, of which there are many, have none.
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
    // The host takes the disk back: a mount that stayed would pass for one of the next disk of this name.
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

/** A block whose hash is another one cannot be read; the kernel tells no more than that. */
function unverifiable(error: unknown): TtrpcError {
  const hint = 'its content may not be that of its root hash (dm-verity)'
  return diskUnmountable(`${describe(error)}; ${hint}`, error)
}

/** The options, with `device=DRIVER:PLACE`, another disk of the file system, as the kernel takes it: `device=/dev/sdb`. */
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

/** Waits until the disk is unused, with those that its file system is on and what stands between them. @throws as {@link diskUnused}. */
export async function letGo({ node, others = [], verified }: MountedDisk): Promise<void> {
  if (verified !== undefined) {
    await diskUnused(verified.node)
    if (!verified.release()) return
  }
  for (const disk of [node, ...others]) await diskUnused(disk)
}

/**
 * Waits until no file system is on the disk any more, unless another container has it mounted too. The mount namespace of a container that has ended, and the file system
 * with it, goes away a moment after its last process; the host must not take the disk before.
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

/** Here, where the agent mounts for all containers; not in theirs. */
function isMounted(node: string): boolean {
  return readFile('/proc/self/mounts')
    .split('\n')
    .some((line) => line.startsWith(`${node} `))
}

/** A file system that the kernel does not know may be there as a module. `attempt` gives 0 or an errno. */
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

/** 0 when it works. */
function errnoOf(call: () => void): number {
  try {
    call()
    return 0
  } catch (error) {
    return (error as SysError).errno
  }
}

const nameOf = (errno: number): string => (errno === 0 ? '' : nameErrno(errno))
