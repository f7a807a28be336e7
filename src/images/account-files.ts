/**
 * Reads /etc/passwd and /etc/group of a container's layers, which a guest may be writing to: every name is opened beneath its
 * layer and through no link, and read by the descriptor that was looked at.
 */
import { constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs'
import { posix } from 'node:path'
import { getXattr } from '../linux/files/inode.ts'
import { closing, O_PATH, openAt, resolve, workingDirectory } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'
import { type ContainerUser, resolveGroup, resolveRoot, resolveUser } from './formats/container-user.ts'

/** Text of the files; undefined where the image has none. */
export interface AccountFiles {
  readonly passwd: string | undefined
  readonly group: string | undefined
}

const maxBytes = 1 << 20
const maxLinks = 40
/** Names on the whole way, those of links included. Each is looked for in every layer, and who writes an image may send us up and down. */
const maxSteps = 128

/**
 * The user that `text` names in the container with these layers, see {@link readAccountFiles}.
 *
 * @throws KataError USER_UNKNOWN.
 */
export function userInImage(lowerDirs: readonly string[], text: string): ContainerUser {
  return resolveUser(text, readAccountFiles(lowerDirs))
}

/** Root, in the container with these layers. */
export const rootInImage = (lowerDirs: readonly string[]): ContainerUser =>
  resolveRoot(readAccountFiles(lowerDirs))

/** The numbers of groups by their names or numbers, as {@link userInImage} finds them. @throws KataError USER_UNKNOWN. */
export function groupsInImage(lowerDirs: readonly string[], groups: readonly string[]): number[] {
  if (groups.length === 0) return []
  const files = readAccountFiles(lowerDirs)
  return groups.map((group) => resolveGroup(group, group, files))
}

/** `lowerDirs` as an overlay would show them, topmost first. */
export function readAccountFiles(lowerDirs: readonly string[]): AccountFiles {
  return { passwd: readInImage(lowerDirs, '/etc/passwd'), group: readInImage(lowerDirs, '/etc/group') }
}

/**
 * Reads a file (its first MiB) of the merged layers. Symlinks are followed inside the image only: an absolute target
 * means the root of the image, and nothing leads above it. Undefined if there is no such regular file.
 */
export function readInImage(lowerDirs: readonly string[], path: string): string | undefined {
  const found = findInImage(lowerDirs, path)
  return found?.kind === 'file' ? found.text : undefined
}

/** A directory of the merged layers: those that take part in it, topmost first, and its path in each. */
export interface MergedDirectory {
  readonly kind: 'directory'
  readonly layers: readonly string[]
  readonly parts: readonly string[]
}

/** A file or directory of the merged layers, found as {@link readInImage} says. */
export function findInImage(
  lowerDirs: readonly string[],
  path: string,
): MergedDirectory | { readonly kind: 'file'; readonly text: string } | undefined {
  const pending = namesOf(path)
  let way: Step[] = []
  let [links, steps] = [0, 0]
  const layers = () => way.at(-1)?.layers ?? lowerDirs
  const parts = () => way.map(({ part }) => part)
  while (pending.length > 0) {
    const part = pending.pop()!
    if (++steps > maxSteps) return undefined
    if (part === '..') {
      way.pop()
      continue
    }
    const found = lookUp(layers(), [...parts(), part])
    if (found === undefined) return undefined
    if (found.kind === 'symlink') {
      if (++links > maxLinks) return undefined
      pending.push(...namesOf(found.target))
      if (posix.isAbsolute(found.target)) way = []
    } else if (found.kind === 'directory') way.push({ part, layers: found.layers })
    else return pending.length === 0 ? found : undefined
  }
  return { kind: 'directory', layers: layers(), parts: parts() }
}

/** A directory on the way, and the layers that take part in it: an opaque one, or one with something else there, hides those below it. */
interface Step {
  readonly part: string
  readonly layers: readonly string[]
}

/** The last one first. */
const namesOf = (path: string): string[] =>
  path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .reverse()

type Found =
  | { kind: 'directory'; layers: readonly string[] }
  | { kind: 'symlink'; target: string }
  | { kind: 'file'; text: string }

function lookUp(layers: readonly string[], parts: readonly string[]): Found | undefined {
  const merged: string[] = []
  for (const layer of layers) {
    const found = unlessAbsent(() =>
      closing(openAt(workingDirectory, layer, O_PATH, 0), (root) => lookInLayer(root, parts)),
    )
    if (found === undefined) continue
    if (found.kind !== 'directory' && merged.length > 0) break
    if (found.kind === 'symlink' || found.kind === 'file') return found
    // A character device 0:0 is a whiteout; any other special file is nothing to read either.
    if (found.kind === 'special') return undefined
    merged.push(layer)
    if (found.opaque) break
  }
  return merged.length > 0 ? { kind: 'directory', layers: merged } : undefined
}

type InLayer =
  | { kind: 'directory'; opaque: boolean }
  | { kind: 'symlink'; target: string }
  | { kind: 'file'; text: string }
  | { kind: 'special' }

/** The file in one layer; nothing where the way to it has become a link. */
function lookInLayer(root: number, parts: readonly string[]): InLayer | undefined {
  return at(root, parts, (location) => {
    const stat = fstatSync(location)
    if (stat.isDirectory()) return { kind: 'directory', opaque: isOpaque(location) }
    if (stat.isFile()) return { kind: 'file', text: readRegular(location) }
    if (!stat.isSymbolicLink()) return { kind: 'special' }
    const read = (parent: number) => readlinkSync(`/proc/self/fd/${parent}/${parts.at(-1)}`)
    const target = parts.length === 1 ? read(root) : at(root, parts.slice(0, -1), read)
    return target === undefined ? undefined : { kind: 'symlink', target }
  })
}

function at<T>(root: number, parts: readonly string[], work: (location: number) => T): T | undefined {
  const rules = resolve.beneath | resolve.noSymlinks
  return unlessAbsent(() =>
    closing(openAt(root, parts.join('/'), O_PATH | constants.O_NOFOLLOW, rules), work),
  )
}

function unlessAbsent<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    const errno = error instanceof SyscallError ? error.errno : (error as NodeJS.ErrnoException).code
    // EINVAL: it was a link and is none any more.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL'].includes(errno ?? '')) return undefined
    throw error
  }
}

/** Whether a directory of a layer, by its descriptor, hides those of the layers below. */
export function isOpaque(location: number): boolean {
  try {
    return getXattr(`/proc/self/fd/${location}/.`, 'trusted.overlay.opaque').toString() === 'y'
  } catch {
    return false
  }
}

/** Its beginning, of the very file behind the location. */
function readRegular(location: number): string {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK
  return closing(openSync(`/proc/self/fd/${location}`, flags), (fd) => {
    const bytes = Buffer.alloc(maxBytes)
    let length = 0
    for (let count = -1; count !== 0 && length < maxBytes; length += count)
      count = readSync(fd, bytes, length, maxBytes - length, length)
    return bytes.toString('utf8', 0, length)
  })
}
