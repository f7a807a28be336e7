/**
 * A container's root file system as a disk, where there is no shared file system. The snapshot's content is copied into an ext4 file
 * system in a sparse file, by a tool that is confined: the content is the work of an image's author. The container's changes stay in that file
 * and are removed with it.
 */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { diskTool } from '../../linux/processes/disk-tool.ts'
import { lastWords } from '../../plain-text.ts'
import { type ConfinedRun, runConfined } from '../../rootless/run-confined.ts'
import { releaseOwner } from '../resources.ts'
import type { RootfsMount } from '../share.ts'
import { makeDirectory, mountAt } from '../share-tree.ts'
import { mountRootfs } from './rootfs-mount.ts'

export interface RootfsDiskRequest {
  readonly container: string
  readonly mounts: readonly RootfsMount[]
  /** A directory of root's, used during the copy. */
  readonly stateDir: string
  /** The file to make. */
  readonly image: string
  /** Space for the container's own files, bytes; default 4 GiB. The sparse file takes only used blocks from the host. */
  readonly freeBytes?: number
}

/** Where on the disk the root file system is. */
export const rootfsName = 'rootfs'

/** Where the tools see the directory that becomes the disk's top, and the disk. */
const inside = { top: '/top', image: '/image' } as const
/** What the host's administrator wants of an ext4, if anything. */
const mkfsSettings = '/etc/mke2fs.conf'

/** Space for ext4 itself: block maps and directories by the content, inodes for the free space. */
const [overhead, freeInodes] = [1.2, 262_144]
const blockBytes = 4096
const blockOption = `--block-size=${blockBytes}`
/**
 * Largest content by the lengths of its files, blocks: 1 TiB. Their blocks are taken first, as lengths count holes. Those of a file system that
 * compresses, or has not written all yet, are too few for ext4.
 */
const mostBlocks = 1024 ** 4 / blockBytes
/** Time limit for copying a root file system of many gigabytes, milliseconds. */
const copyMs = 600_000

/**
 * Makes the disk. The same content gives the same bytes, except for those that depend on the container's id.
 *
 * @throws KataError ROOTFS_DISK_FAILED with the tool's reason; errors of {@link mountRootfs} and {@link runConfined}. Nothing is left then.
 */
export async function makeRootfsDisk(ledger: Ledger, request: RootfsDiskRequest): Promise<void> {
  const { container, mounts, stateDir, image } = request
  // A directory of the disk, not its top: the top has a lost+found, and cannot have any owner and mode.
  const top = `${stateDir}/disk-${container}`
  const target = `${top}/${rootfsName}`
  try {
    await makeDirectory(ledger, top, container)
    await makeDirectory(ledger, target, container)
    for (const mount of mounts)
      await mountAt(ledger, target, container, () =>
        mountRootfs(mount, { target, container, idmap: undefined, scratch: target }),
      )
    await makeFileSystem(target, request)
  } catch (error) {
    rmSync(image, { force: true })
    throw error
  } finally {
    await releaseOwner(ledger, container)
  }
}

async function makeFileSystem(source: string, request: RootfsDiskRequest): Promise<void> {
  const { container, image, freeBytes = 4 * 1024 ** 3 } = request
  const counting = [usage([blockOption], source, request), usage(['--inodes'], source, request)] as const
  // None goes on when the other has failed.
  await Promise.allSettled(counting)
  const [blocks, inodes] = await Promise.all(counting)
  const make = (content: number) =>
    runMkfs(source, request, {
      blocks: Math.ceil(content * overhead) + Math.ceil(freeBytes / blockBytes),
      inodes: inodes + freeInodes,
    })
  let failure = await make(blocks)
  if (failure !== undefined && isFull(failure)) {
    const larger = (await usage(['--apparent-size', blockOption], source, request)) + inodes
    if (larger > blocks && larger <= mostBlocks) {
      rmSync(image, { force: true })
      failure = await make(larger)
    }
  }
  if (failure !== undefined) throw failed(container, failure)
}

/** @returns what mkfs.ext4 says of its failure; undefined when it has made the file system. */
async function runMkfs(
  source: string,
  request: RootfsDiskRequest,
  { blocks, inodes }: { blocks: number; inodes: number },
): Promise<string | undefined> {
  const { container, image } = request
  const id = identifier(container)
  makeFile(image, container)
  const { code, stderr } = await runTool(source, request, {
    program: diskTool('mkfs.ext4'),
    args: [
      ...['-t', 'ext4', '-q', '-F', '-b', `${blockBytes}`, '-m', '0', '-N', `${inodes}`],
      // The disk is of no use after a crash of its machine.
      ...['-O', '^has_journal', '-U', id, '-E', `hash_seed=${id},lazy_itable_init=1,nodiscard`],
      ...['-d', inside.top, inside.image, `${blocks}`],
    ],
    sourceDateEpoch: 0,
    disk: { source: image, target: inside.image, mostBytes: blocks * blockBytes },
    files: [mkfsSettings].filter(existsSync),
  })
  return code === 0 ? undefined : stderr.replace(noMountTable, '')
}

function makeFile(path: string, container: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    throw failed(container, (error as Error).message)
  }
}

function runTool(
  source: string,
  { stateDir }: RootfsDiskRequest,
  run: Omit<ConfinedRun, 'tree' | 'directory' | 'timeoutMs'>,
) {
  const tree = { target: `${inside.top}/${rootfsName}`, layers: [source] }
  return runConfined({ ...run, tree, directory: stateDir, timeoutMs: copyMs })
}

/** In its jail mkfs.ext4 cannot see whether the disk is mounted, says so, and goes on. */
const noMountTable = /^ext2fs_check_if_mount: .*\n/m

/** Whether the file system, not the host's disk, has no room for the content. */
const isFull = (stderr: string): boolean => stderr.includes('Could not allocate block')

/** The tree's blocks on disk or inodes, as du(1) counts them. */
async function usage(
  options: readonly string[],
  source: string,
  request: RootfsDiskRequest,
): Promise<number> {
  const { code, stdout, stderr } = await runTool(source, request, {
    program: diskTool('du'),
    args: ['--summarize', ...options, inside.top],
  })
  const count = Number.parseInt(stdout, 10)
  if (code !== 0 || !Number.isSafeInteger(count)) throw failed(request.container, stderr)
  return count
}

/** A UUID that the same container gets again. */
function identifier(container: string): string {
  const hex = new Bun.CryptoHasher('sha256').update(container).digest('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}

function failed(container: string, reason: string): KataError {
  return new KataError('ROOTFS_DISK_FAILED', { container, reason: lastWords(reason) })
}
