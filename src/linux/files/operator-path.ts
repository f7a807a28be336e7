/**
 * Host paths that root opens for a pod. The text comes from the operator, but a pod may have made parts of the path: in a
 * directory that it was given, root of a container makes links that belong to root. So links are followed only where the
 * operator alone can write: in directories of the system's, which a pod could only write to if it had the
 * host already.
 */
import { closeSync, fstatSync, lstatSync, readlinkSync, type Stats } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../../errors.ts'
import { SyscallError } from '../libc.ts'
import { O_PATH, openAt, resolve, workingDirectory } from './open-at.ts'

/** Links in these directories themselves are followed. docs/pod-world.md has the list too. */
const directories: ReadonlySet<string> = new Set([
  '/',
  '/etc',
  '/etc/alternatives',
  '/run',
  '/var',
  '/var/lib',
  '/var/lib/containerd',
  '/var/lib/docker',
  '/var/lib/kubelet',
])
/** Links anywhere below these directories are followed. */
const trees = ['/dev/', '/usr/']
/** Exceptions: programs and administrators put their own files below these, and pods may be given directories there. */
const exceptions = ['/dev/shm/', '/dev/hugepages/', '/dev/mqueue/', '/usr/local/', '/usr/share/', '/usr/src/']
/** The kernel's limit. */
const mostLinks = 40

/**
 * Opens what an absolute `path` names, as a location (O_PATH). The caller closes it, and uses it instead of the path.
 *
 * @throws KataError SOURCE_LINK at a link that may be a pod's; SyscallError with errno ENOENT, ENOTDIR, ELOOP.
 */
export function openOperatorPath(path: string): number {
  let wanted = path
  for (let links = 0; links <= mostLinks; links++) {
    try {
      // This call alone decides: it fails if a component has become a link since the check.
      return openAt(workingDirectory, wanted, O_PATH, resolve.noSymlinks | resolve.noMagiclinks)
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === 'ELOOP')) throw error
    }
    wanted = followFirstLink(wanted, path)
  }
  throw new SyscallError(`opening ${path}`, 'ELOOP')
}

/** The file that an absolute `path` names, and its path without links. @throws the errors of {@link openOperatorPath}. */
export function lookAtOperatorPath(path: string): { path: string; stat: Stats } {
  const fd = openOperatorPath(path)
  try {
    return { path: readlinkSync(`/proc/self/fd/${fd}`), stat: fstatSync(fd) }
  } finally {
    closeSync(fd)
  }
}

function followFirstLink(path: string, source: string): string {
  const parts = path.split('/').filter((part) => part !== '')
  for (const index of parts.keys()) {
    // There are no links up to here, so .. in the text means the same as on disk.
    const place = posix.normalize(`/${parts.slice(0, index).join('/')}`)
    const link = posix.join(place, parts[index]!)
    if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() !== true) continue
    const reason = whyNotFollow(place, link)
    if (reason !== undefined) throw new KataError('SOURCE_LINK', { source, link, reason })
    const target = readlinkSync(link)
    return [posix.isAbsolute(target) ? '' : place, target, ...parts.slice(index + 1)].join('/')
  }
  // It is no longer a link; the next attempt decides.
  return path
}

function whyNotFollow(place: string, link: string): string | undefined {
  const isBelow = (tree: string) => `${place}/`.startsWith(tree)
  const isTheSystems = directories.has(place) || (trees.some(isBelow) && !exceptions.some(isBelow))
  if (!isTheSystems) return 'a pod may have made it'
  const { uid, mode } = lstatSync(place)
  if (uid !== 0 || (mode & 0o022) !== 0) return `users other than root can write to ${place}`
  return lstatSync(link).uid === 0 ? undefined : 'it does not belong to root'
}
