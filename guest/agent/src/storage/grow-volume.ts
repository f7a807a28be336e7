/** Grows a mounted file system after the host has enlarged its disk. */
import { growFileSystem, nameErrno, readFile } from 'syscalls'
import { deadline, invalid, precondition, unimplemented } from '../errors.ts'
import { exists, readIfThere, set } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { mountedDisk } from './mounted-disk.ts'

/** Resolves to the exit code of a child. */
export type ExitOf = (pid: number) => Promise<number>

/** Most time until the disk's new size arrives. */
const arrivalMilliseconds = 10_000
const sectorBytes = 512
const growing: ReadonlySet<string> = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs'])

/**
 * Grows the file system mounted at `path` to `bytes`.
 *
 * @throws TtrpcError INVALID_ARGUMENT if no disk is mounted there, UNIMPLEMENTED for other file systems, DEADLINE_EXCEEDED if the disk stays
 *   smaller, FAILED_PRECONDITION with the kernel's errno.
 */
export async function growVolume(path: string, bytes: number, exitOf: ExitOf): Promise<void> {
  const mounted = mountedDisk(readFile('/proc/self/mounts'), path)
  if (mounted === undefined) throw invalid(`no disk is mounted at ${path}`)
  const { disk, type } = mounted
  if (!growing.has(type)) throw unimplemented(`${type} does not grow while it is mounted`)
  await diskAsLarge(disk, bytes)
  const errno = await exitOf(growFileSystem(path, type, bytes))
  if (errno !== 0)
    throw precondition(`${type} on ${disk} does not grow to ${bytes} bytes: ${nameErrno(errno)}`)
}

async function diskAsLarge(disk: string, bytes: number): Promise<void> {
  const directory = `/sys/class/block/${disk}`
  const size = () => Number(readIfThere(`${directory}/size`) ?? 0) * sectorBytes
  for (let waited = 0; size() < bytes; waited += 5) {
    if (waited >= arrivalMilliseconds)
      throw deadline(`${disk} has ${size()} bytes after ${arrivalMilliseconds} ms, and ${bytes} are wanted`)
    // The kernel reads the size of a SCSI disk again only on request; virtio-blk reports a change.
    const rescan = `${directory}/device/rescan`
    if (exists(rescan)) set(rescan, '1')
    await sleep(5)
  }
}
