/** Volumes that kubelet's atomic writer writes: a directory for each version, and the link `..data` to the current one. */
import type { TreeEntry } from './source-tree.ts'

export const dataPath = '/..data'

/** Name of the version's directory; undefined for what the atomic writer did not write. */
export const versionOf = (entries: readonly TreeEntry[]): string | undefined =>
  entries.find(({ path }) => path === dataPath)?.linkTo

/** Leaves out versions that `..data` does not lead to: they are being made or removed. */
export function currentEntries(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const version = versionOf(entries)
  if (version === undefined) return entries
  const isWriters = (path: string) => path.startsWith('/..') && path !== dataPath
  return entries.filter(({ path }) => !isWriters(path) || path.split('/')[1] === version)
}
