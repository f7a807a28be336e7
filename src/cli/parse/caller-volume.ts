/**
 * `--caller-volume JSON` (not shown in the help): a volume that a user who is not root asked the service for. He has opened it, and the
 * service has the descriptor.
 */
import { fstatSync, readFileSync, readlinkSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { needed, record } from '../../json/compounds.ts'
import { readText } from '../../json/document.ts'
import { bool, text, uint32 } from '../../json/values.ts'
import { closing } from '../../linux/files/open-at.ts'
import { openOperatorPath } from '../../linux/files/operator-path.ts'
import { SyscallError } from '../../linux/libc.ts'
import type { SpecBind } from '../../oci/defaults/default-spec.ts'
import { destinationOf } from './place-in-container.ts'

interface CallerVolume {
  readonly fd: number
  readonly uid: number
  readonly gid: number
  readonly destination: string
  readonly readonly: boolean
}

const readCallerVolume = record<CallerVolume>({
  fd: needed(uint32),
  uid: needed(uint32),
  gid: needed(uint32),
  destination: needed(text),
  readonly: needed(bool),
})

/**
 * The path is the kernel's, and leads to the same file in the same mount for us.
 *
 * @throws KataError VOLUME_INVALID, CALLER_FILE.
 */
export function parseCallerVolume(json: string): SpecBind {
  const { fd, uid, gid, destination, readonly } = readText(readCallerVolume, json)
  const source = readlinkSync(`/proc/self/fd/${fd}`)
  const refuse = (reason: string) => new KataError('CALLER_FILE', { path: source, reason })
  const place = destinationOf(`${source}:${destination}`, destination)
  const { dev: device, ino: inode, ...stat } = fstatSync(fd, { bigint: true })
  const kind = Number(stat.mode) & 0o170000
  if (kind !== 0o040000 && kind !== 0o100000) throw refuse('it is neither a directory nor a regular file')
  if (!isReachedBy(source, fd)) throw refuse('its path leads elsewhere for the service')
  return { source, destination: place, readonly, caller: { uid, gid, device, inode } }
}

/** A mount of the user's own namespace has a path that means another file here, or the same one without its restrictions. */
function isReachedBy(path: string, fd: number): boolean {
  try {
    return closing(openOperatorPath(path), (ours) => identity(ours) === identity(fd))
  } catch (error) {
    if (error instanceof SyscallError || (error instanceof KataError && error.code === 'SOURCE_LINK'))
      return false
    throw error
  }
}

/** The file, and the mount that it was opened in. */
function identity(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true })
  const mount = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
  return `${dev}:${ino}:${mount}`
}
