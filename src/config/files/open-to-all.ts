/** Files of the host that a pod may name for its machine. */
import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { posix } from 'node:path'
import { mayOthersWrite } from '../../linux/acl.ts'

/** The kernel's limit. */
const mostLinks = 40

/**
 * Whether every user can read the file at an absolute path by the way of that path, and root alone can change it or put another in its place.
 * The jail of a VMM shows it a file whatever the directories say in which the file lies, and a pod must not read by that what they close: the
 * volumes of other pods, for one. A file that is not there is not open. Root of a container is root in a hostPath volume that it may write, and
 * can change what lies there after this look: docs/configuration.md says so.
 */
export function isOpenToAll(path: string): boolean {
  try {
    return isOpenFrom('/', partsOf(path), 0)
  } catch {
    return false
  }
}

/** `directory` is free of links. @throws the errors of lstat. */
function isOpenFrom(directory: string, [name, ...rest]: readonly string[], links: number): boolean {
  const { mode } = rootsOwn(directory)
  if (name === undefined || (mode & 0o001) === 0) return false
  const place = posix.join(directory, name)
  const stat = rootsOwn(place)
  if (stat.isSymbolicLink()) {
    const target = readlinkSync(place)
    const from = posix.isAbsolute(target) ? '/' : directory
    return links < mostLinks && isOpenFrom(from, [...partsOf(target), ...rest], links + 1)
  }
  if (rest.length > 0) return isOpenFrom(place, rest, links)
  return stat.isFile() && (stat.mode & 0o004) !== 0
}

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '')

/** In a sticky directory an entry is its owner's. @throws Error, and the errors of lstat. */
function rootsOwn(path: string): Stats {
  const stat = lstatSync(path)
  // The mode of a link says nothing.
  const isKept = stat.isSymbolicLink() || (stat.isDirectory() && (stat.mode & 0o1000) !== 0)
  if (stat.uid !== 0 || (!isKept && mayOthersWrite(path, stat)))
    throw new Error(`${path} is not root's alone`)
  return stat
}
