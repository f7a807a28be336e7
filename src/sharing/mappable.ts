/** Checks before a daemon starts to serve whether all known mounts can be idmapped for it. */
import { closeSync, fstatSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { openOperatorPath } from '../linux/files/operator-path.ts'
import { SyscallError } from '../linux/libc.ts'
import { openLocation } from '../linux/mounts/mount-tree.ts'
import { type Idmap, isNotMappable, mappedClone } from './idmap.ts'
import { parseMountOptions } from './mount-options.ts'
import { mappedDirectories } from './rootfs/mapped-overlay.ts'
import type { RootfsMount } from './share.ts'
import { stillOverlay } from './still-overlay.ts'

export interface KnownMount extends RootfsMount {
  /** A volume that a {@link stillOverlay} may replace. Default false. */
  readonly isOnlyRead?: boolean
}

/**
 * Tries to idmap each mount, and attaches nothing. Sources that cannot be opened, and file systems that are not mounted yet, pass: their real
 * mount reports a better error.
 *
 * @throws KataError SHARE_NOT_IDMAPPABLE naming the first source that cannot be idmapped.
 */
export function requireMappable(mounts: readonly KnownMount[], idmap: Idmap, container: string): void {
  for (const mount of mounts) {
    const { bind, recursive, data } = parseMountOptions(mount.options)
    const tried = (source: string, open: (path: string) => number, isOnlyRead = false) =>
      tryClone(source, open, { recursive, isOnlyRead }, idmap, container)
    if (bind || mount.type === 'bind') tried(mount.source, openOperatorPath, mount.isOnlyRead)
    // containerd or our own command line chose the layers' paths.
    if (mount.type === 'overlay') for (const layer of mappedDirectories(data)) tried(layer, openLocation)
  }
}

function tryClone(
  source: string,
  open: (path: string) => number,
  { recursive, isOnlyRead }: { readonly recursive: boolean; readonly isOnlyRead: boolean },
  idmap: Idmap,
  container: string,
): void {
  let fd: number | undefined
  try {
    fd = open(source)
    const facts = fstatSync(fd)
    // Other kinds of source reach the guest in another way, or not at all.
    if (facts.isDirectory() || facts.isFile())
      closeSync(mappedClone(fd, idmap, { source, container }, { recursive }))
  } catch (error) {
    const still = isOnlyRead && isNotMappable(error) ? stillOverlay(fd!) : undefined
    if (still !== undefined)
      for (const layer of still.layers)
        tryClone(layer, openLocation, { recursive: false, isOnlyRead: false }, idmap, container)
    else if (error instanceof KataError && !(error instanceof SyscallError)) throw error
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
