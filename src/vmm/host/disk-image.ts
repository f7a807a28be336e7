/** Opens the disk image that a guest boots from, for handing it to a VMM that could not open it itself. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'

/**
 * A descriptor that can only read, of a regular file: never of a device, a pipe or a directory, whatever the path has
 * become since the configuration was checked. The caller closes it.
 *
 * @throws KataError VMM_DISK_IMAGE saying what is wrong with it.
 */
export function openDiskImage(path: string): number {
  // Without O_NONBLOCK a FIFO in its place would hold us up; on a regular file it means nothing.
  const { O_RDONLY, O_NONBLOCK } = constants
  const fd = attempt(path, () => openSync(path, O_RDONLY | O_NONBLOCK))
  try {
    const stat = attempt(path, () => fstatSync(fd))
    if (!stat.isFile()) throw new KataError('VMM_DISK_IMAGE', { path, reason: 'is not a regular file' })
    if (stat.size === 0) throw new KataError('VMM_DISK_IMAGE', { path, reason: 'is empty' })
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code})`
    throw new KataError('VMM_DISK_IMAGE', { path, reason }, { cause })
  }
}
