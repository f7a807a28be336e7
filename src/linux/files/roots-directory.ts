/** Directories whose content root trusts, at a path that somebody chose. */
import { lstatSync, realpathSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'

/**
 * Requires that only root can put something into the directory at an absolute path, or another one in its place. In a directory of many users,
 * such as `/tmp`, anybody may have made one of a name that root is going to use. One that is not there yet is looked at as far as it is: call
 * this once more when it is made. Another user than root has nothing to guard, and passes.
 *
 * @throws KataError PRIVATE_DIR_PARENT_UNSAFE.
 */
export function requireRootsDirectory(path: string): void {
  if (process.getuid?.() !== 0) return
  const there = lastThere(path)
  // A link on the way is as good as the directory in which it lies, and so is where it leads.
  for (const way of new Set([there, realpathSync(there)])) requireRootsWay(way, there === path)
}

/** The path itself, or the last directory on the way to it that exists. */
function lastThere(path: string): string {
  let at = path
  while (lstatSync(at, { throwIfNoEntry: false }) === undefined) at = dirname(at)
  return at
}

function requireRootsWay(way: string, isThere: boolean): void {
  for (let at = way; ; at = dirname(at)) {
    // What lies in a directory of many users is its owner's, who is looked at besides.
    const reason = whyNotRoots(lstatSync(at), isThere && at === way)
    if (reason !== undefined) throw new KataError('PRIVATE_DIR_PARENT_UNSAFE', { path: at, reason })
    if (at === '/') return
  }
}

function whyNotRoots(stat: Stats, isLast: boolean): string | undefined {
  if (stat.uid !== 0) return `owned by uid ${stat.uid}`
  if (stat.isSymbolicLink()) return undefined
  const others = stat.mode & (stat.gid === 0 ? 0o002 : 0o022)
  const isSticky = (stat.mode & 0o1000) !== 0
  return others === 0 || (isSticky && !isLast) ? undefined : `mode ${(stat.mode & 0o7777).toString(8)}`
}
