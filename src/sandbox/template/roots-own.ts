/** What a saved machine holds becomes the memory of pods, so its files are root's, or count for nothing. */
import { type BigIntStats, lstatSync } from 'node:fs'
import { KataError } from '../../errors.ts'

/** The file or directory at `path`. @throws KataError TEMPLATE_FOREIGN, TEMPLATE_DAMAGED when there is none. */
export function requireRootsOwn(path: string, kind: 'file' | 'directory'): BigIntStats {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) throw new KataError('TEMPLATE_DAMAGED', { path, reason: 'it is not there' })
  const reason = whyForeign(stat, kind)
  if (reason !== undefined) throw new KataError('TEMPLATE_FOREIGN', { path, reason })
  return stat
}

/** Why it is not root's alone to write; undefined when it is. */
export function whyForeign(stat: BigIntStats, kind: 'file' | 'directory'): string | undefined {
  if (stat.isSymbolicLink()) return 'is a symbolic link'
  if (kind === 'file' && !stat.isFile()) return 'is no regular file'
  if (kind === 'directory' && !stat.isDirectory()) return 'is no directory'
  if (stat.uid !== 0n) return `belongs to uid ${stat.uid}`
  if ((stat.mode & 0o022n) === 0n) return undefined
  return `can be written by others than root (mode ${(stat.mode & 0o7777n).toString(8)})`
}
