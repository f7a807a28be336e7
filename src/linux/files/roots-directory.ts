/** Checks directories at a configurable path, whose content root is going to trust. */
import { lstatSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { hasAcl, mayOthersWrite } from '../acl.ts'

/**
 * Requires that only root can create files in the directory at an absolute path, or replace the directory. In a directory of many users, such as
 * `/tmp`, any user may have created the name that root is going to use. If the path does not exist yet, its existing ancestors are checked:
 * call this again when it does. Users other than root have nothing to guard, and pass.
 *
 * @throws KataError PRIVATE_DIR_PARENT_UNSAFE.
 */
export function requireRootsDirectory(path: string): void {
  if (process.getuid?.() !== 0) return
  const there = lastThere(path)
  // A link can be trusted as much as the directory that has it. The path to its target is checked, too.
  for (const way of new Set([there, realpathSync(there)])) requireRootsWay(way, there === path)
}

/** The path itself, or its nearest ancestor that exists. */
function lastThere(path: string): string {
  let at = path
  while (lstatSync(at, { throwIfNoEntry: false }) === undefined) at = dirname(at)
  return at
}

function requireRootsWay(way: string, isThere: boolean): void {
  for (let at = way; ; at = dirname(at)) {
    // In a sticky directory of many users, only its owner can replace an entry, and the entry's owner is checked, too.
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
