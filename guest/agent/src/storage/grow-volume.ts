/** A file system grows, while it is mounted, on a disk that the host has made larger. */
import { growFileSystem, nameErrno, readFile } from 'syscalls'
import { deadline, invalid, precondition, unimplemented } from '../errors.ts'
import { exists, readIfThere, set } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { mountedDisk } from './mounted-disk.ts'

/** Exit code of a child just started. */
export type ExitOf = (pid: number) => Promise<number>

/** How long the new size of the disk may take to arrive. */
const arrivalMilliseconds = 10_000
const sectorBytes = 512
const growing: ReadonlySet<string> = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs'])

/**
 * Grows the file system mounted at `path` to `bytes`.
 *
 * @throws TtrpcError INVALID_ARGUMENT when no disk is mounted there, UNIMPLEMENTED for another file system, DEADLINE_EXCEEDED when
 *   the disk stays smaller, FAILED_PRECONDITION with the kernel's errno.
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
    // SCSI disks are looked at anew only when they are told to; virtio-blk tells of a change.
    const rescan = `${directory}/device/rescan`
    if (exists(rescan)) set(rescan, '1')
    await sleep(5)
  }
}
