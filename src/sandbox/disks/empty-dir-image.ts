/**
 * The disk of an emptyDir: a sparse file with an ext4 in it. It lies in the volume's own directory on the host, as Kata's does, so that
 * kubelet counts its blocks as the volume's and evicts a pod that exceeds `sizeLimit`.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import type { ResourceKind } from '../../ledger/ledger.ts'
import { diskTool } from '../../linux/processes/disk-tool.ts'
import { runTool } from '../../linux/processes/run-tool.ts'
import { lastWords } from '../../plain-text.ts'
import { mostExt4Bytes } from './fresh-ext4.ts'

/** Nothing but this file is removed; the directory is kubelet's. */
export const emptyDirDiskResource: ResourceKind<{ path: string }> = {
  kind: 'emptydir-disk',
  release: ({ path }) => rmSync(path, { force: true }),
}

/** Where on the disk the volume's files are: the top of an ext4 has a lost+found, which databases do not take for an empty directory. */
export const filesName = 'files'

const blockBytes = 4096
/** ext4 has no room for files in less. */
const leastBytes = 4 * 1024 ** 2
const formatMs = 60_000

/** Name of a sandbox's disk in the directory of the volume. */
export const imageName = (sandbox: string): string => `.kata-ts-${sandbox}.img`
const anyImage = /^\.kata-ts-.*\.img$/

/** Bytes: `limitMiB`, or without one (0) what statfs(2) says of the volume's file system, which a project quota makes smaller. */
export function diskBytes(directory: string, limitMiB: number): number {
  const { bsize, blocks } = statfsSync(directory)
  const wanted = limitMiB === 0 ? bsize * blocks : limitMiB * 1024 ** 2
  const bytes = Math.min(Math.max(wanted, leastBytes), mostExt4Bytes)
  return bytes - (bytes % blockBytes)
}

/**
 * Makes the file. Its directory {@link filesName} has owner and mode of the volume's. `directory` is for errors; `scratch` is a directory of
 * root's.
 *
 * @throws KataError EMPTYDIR_DISK_FAILED, ROOTFS_DISK_TOOL; errors of open(2). Nothing is left then.
 */
export async function makeEmptyDirImage(
  path: string,
  { directory, bytes, scratch }: { directory: string; bytes: number; scratch: string },
): Promise<void> {
  // Exclusive: in a directory that every user may write, a link may lie there.
  const fd = openSync(path, 'wx', 0o600)
  let top = ''
  try {
    top = mkdtempSync(`${scratch}/emptydir-`)
    ftruncateSync(fd, bytes)
    const { mode, uid, gid } = statSync(dirname(path))
    mkdirSync(`${top}/${filesName}`)
    chownSync(`${top}/${filesName}`, uid, gid)
    chmodSync(`${top}/${filesName}`, mode & 0o7777)
    await format(`/proc/${process.pid}/fd/${fd}`, { directory, top, blocks: bytes / blockBytes })
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  } finally {
    closeSync(fd)
    if (top !== '') rmSync(top, { recursive: true, force: true })
  }
}

/** Removes the disks that earlier sandboxes of the pod left there, for instance when the host went down. */
export function removeOldImages(directory: string): void {
  for (const name of readdirSync(directory))
    if (anyImage.test(name)) rmSync(`${directory}/${name}`, { force: true })
}

async function format(
  file: string,
  { directory, top, blocks }: { directory: string; top: string; blocks: number },
): Promise<void> {
  const { code, stderr } = await runTool(
    [
      ...[diskTool('mkfs.ext4'), '-q', '-F', '-b', `${blockBytes}`, '-m', '0'],
      // The disk is of no use after a crash of its machine.
      ...['-O', '^has_journal', '-E', 'lazy_itable_init=1,nodiscard', '-d', top, file, `${blocks}`],
    ],
    { timeoutMs: formatMs },
  )
  if (code !== 0) throw new KataError('EMPTYDIR_DISK_FAILED', { directory, reason: lastWords(stderr) })
}
