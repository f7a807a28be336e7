/** Directories whose content root trusts, at a path that somebody chose. */
import { lstatSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { hasAcl, mayOthersWrite } from '../acl.ts'

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
    const reason = whyNotRoots(at, isThere && at === way)
    if (reason !== undefined) throw new KataError('PRIVATE_DIR_PARENT_UNSAFE', { path: at, reason })
    if (at === '/') return
  }
}

function whyNotRoots(path: string, isLast: boolean): string | undefined {
  const stat = lstatSync(path)
  if (stat.uid !== 0) return `owned by uid ${stat.uid}`
  if (stat.isSymbolicLink()) return undefined
  const isSticky = (stat.mode & 0o1000) !== 0
  if ((isSticky && !isLast) || !mayOthersWrite(path, stat)) return undefined
  return `mode ${(stat.mode & 0o7777).toString(8)}${hasAcl(path) ? ' and an access list' : ''}`
}
