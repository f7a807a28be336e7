/** What the share holds on the host, in a form that can be undone from disk alone. */
import { lstatSync, rmdirSync, unlinkSync } from 'node:fs'
import type { Ledger, ResourceKind } from '../ledger/ledger.ts'
import { unmountBelow } from '../linux/mounts/mount.ts'

/** `owner` is the container the thing was made for, or empty for the sandbox's own. */
export interface MountData {
  readonly target: string
  readonly owner: string
}

/**
 * A mount. The mounts of a shim live in its own mount namespace: from anywhere else there is nothing to see and
 * nothing to do, they go away with the namespace.
 */
export const mountResource: ResourceKind<MountData> = {
  kind: 'mount',
  release: ({ target }) => unmountBelow(target),
}

export interface PathData {
  readonly path: string
  readonly owner: string
}

/**
 * A directory, or a file that only serves as a mount point. Removed with rmdir(2) or unlink(2), never recursively:
 * if anything is mounted there, the kernel refuses (EBUSY) and what the mount shows stays untouched.
 */
export const directoryResource: ResourceKind<PathData> = {
  kind: 'directory',
  release: ({ path }) => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) rmdirSync(path)
    else if (stat !== undefined) unlinkSync(path)
  },
}

/** Releases what was made for `owner`: mounts first, then their mount points; newest first within each. */
export async function releaseOwner(ledger: Ledger, owner: string): Promise<void> {
  await releaseOwned(ledger, mountResource, owner)
  await releaseOwned(ledger, directoryResource, owner)
}

async function releaseOwned<Data extends { readonly owner: string }>(
  ledger: Ledger,
  kind: ResourceKind<Data>,
  owner: string,
): Promise<void> {
  const owned = ledger.dataOf(kind).filter((data) => data.owner === owner)
  for (const _ of owned) await ledger.release(kind, (data) => data.owner === owner)
}
