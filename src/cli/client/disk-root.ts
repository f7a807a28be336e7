/**
 * Root file systems on disks. The image's files are on a read-only disk that all of its containers share. The container writes to a second disk,
 * whose size limits it. The guest mounts an overlay of both; the host mounts neither.
 */
import { closeSync, mkdirSync, renameSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Config } from '../../config/config.ts'
import { configurationOf } from '../../config/drivers.ts'
import { KataError } from '../../errors.ts'
import { makeErofs } from '../../images/make-erofs.ts'
import { makeUpper, type RootMount } from '../../images/rootfs.ts'
import { imageDisk } from '../../images/store/image-disks.ts'
import { makeStore, storePaths } from '../../images/store/store-paths.ts'
import { removeTree } from '../../linux/files/remove-tree.ts'
import { diskTool } from '../../linux/processes/disk-tool.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { lastWords } from '../../plain-text.ts'
import { freshExt4, mostExt4Bytes } from '../../sandbox/disks/fresh-ext4.ts'
import { openSource } from '../../sharing/source.ts'
import type { Settings } from '../settings.ts'
import type { Rootfs } from './rootfs.ts'

/** A container's disks, as in its record. */
export interface RootDisks {
  /** Path of the disk with the image's files. A path below the container's directory is the container's own disk. */
  readonly image: string
  /** Size of the disk that the container writes to, bytes. */
  readonly bytes: number
}

const blockBytes = 4096
const formatMs = 60_000
/** Name of the disk made from a directory. A directory may change, so this disk is not in the store. */
const ownName = 'image.erofs'

/** Path of the disk that the container of this directory writes to. */
export const writtenDisk = (directory: string): string => `${directory}/written.img`

/** Whether the VMM can have no share, so that the shim gives it a copy of the files. */
export const isCopied = ({ hypervisor }: Pick<Config, 'hypervisor'>): boolean =>
  configurationOf(hypervisor.driver).impossible.sharedFs !== undefined

/**
 * Chooses disks if a size limit was requested, or the machine is to have no share. Undefined if the files are shared or copied instead.
 *
 * @throws KataError IMAGE_STORE_FULL, ROOTFS_DISK_TOOL, ROOTFS_DISK_FAILED; the signal's reason.
 */
export async function chooseDisks(
  { stateDir }: Settings,
  request: {
    readonly id: string
    /** The container's directory. */
    readonly directory: string
    readonly rootfs: Rootfs
    readonly bytes: number | undefined
    readonly config: Pick<Config, 'hypervisor' | 'runtime'>
    readonly signal: AbortSignal
  },
): Promise<RootDisks | undefined> {
  const { id, directory, rootfs, config, signal, bytes } = request
  if (bytes === undefined && (config.hypervisor.sharedFs !== 'none' || isCopied(config))) return undefined
  const paths = storePaths(stateDir)
  makeStore(paths)
  const size = { bytes: Math.min(bytes ?? sizeOfHost(stateDir), mostExt4Bytes) }
  // Content that may change under its name is not cached for other containers.
  if (!rootfs.isCached) return { ...size, image: `${directory}/${ownName}` }
  const image = await imageDisk(paths, {
    layers: rootfs.lowerDirs,
    container: id,
    signal,
    limitBytes: config.runtime.imageStoreLimit * 2 ** 20,
  })
  return { ...size, image }
}

/** The default size of a disk: that of the host's file system. Blocks are allocated only when the container writes. */
function sizeOfHost(directory: string): number {
  const { bsize, blocks } = statfsSync(directory)
  return bsize * blocks
}

/** The mounts for the shim, in the form of containerd's erofs snapshotter. */
export function diskMounts({ image }: RootDisks, directory: string): RootMount[] {
  return [
    {
      type: 'ext4',
      source: writtenDisk(directory),
      // This returns blocks to the host that the container frees.
      options: ['rw', 'loop', ...freshExt4, 'discard'],
    },
    { type: 'erofs', source: image, options: ['ro', 'loop'] },
    {
      type: 'format/overlay',
      source: 'overlay',
      options: ['lowerdir={{ mount 1 }}', 'upperdir={{ mount 0 }}/upper', 'workdir={{ mount 0 }}/work'],
    },
  ]
}

/**
 * Makes the container's own disks. `fill` writes to the directory that becomes the upper layer.
 *
 * @throws KataError SOURCE_LINK, SHARE_SOURCE_MISSING, and those of {@link makeErofs}; ROOTFS_DISK_TOOL, ROOTFS_DISK_FAILED.
 */
export async function makeOwnDisks(
  { image, bytes }: RootDisks,
  own: {
    readonly container: string
    readonly directory: string
    readonly layers: readonly string[]
    readonly fill: (upper: string) => void
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { container, directory, layers, fill, signal } = own
  if (image === `${directory}/${ownName}`) {
    const key = new Bun.CryptoHasher('sha256').update(container).digest('hex')
    const scratch = `${directory}/.disk`
    // Its path was checked when it was chosen, and another user may have changed it since.
    const { fd: opened } = openSource(layers[0] ?? '', container)
    try {
      await makeErofs({ layers, opened, target: image, scratch, key, container, signal })
    } finally {
      closeSync(opened)
    }
  }
  const top = `${directory}/.disk-files`
  const target = writtenDisk(directory)
  mkdirSync(top, { mode: 0o700 })
  try {
    makeUpper(layers, top)
    fill(`${top}/upper`)
    await format(`${target}.new`, { container, top, bytes, signal })
    renameSync(`${target}.new`, target)
  } finally {
    rmSync(`${target}.new`, { force: true })
    await removeTree(top)
  }
}

async function format(
  file: string,
  disk: {
    readonly container: string
    readonly top: string
    readonly bytes: number
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { container, top, bytes, signal } = disk
  writeFileSync(file, '', { flag: 'wx', mode: 0o600 })
  truncateSync(file, bytes)
  const { code, stderr } = await runTool(
    [
      // The disk has a journal, because its machine may be killed.
      ...[diskTool('mkfs.ext4'), '-q', '-F', '-b', `${blockBytes}`, '-m', '0'],
      ...['-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard', '-d', top],
      ...[file, `${Math.floor(bytes / blockBytes)}`],
    ],
    { timeoutMs: formatMs, signal },
  )
  signal.throwIfAborted()
  if (code !== 0) throw new KataError('ROOTFS_DISK_FAILED', { container, reason: lastWords(stderr) })
}

/** The name of the disk in the store; undefined for a container's own disk. */
export const storedDisk = ({ image }: RootDisks, stateDir: string): string | undefined =>
  image.startsWith(`${storePaths(stateDir).disks}/`) ? basename(image) : undefined
