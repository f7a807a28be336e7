/** The share's holdings on the host. Each can be released from disk alone. */
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { everyStep } from '../ledger/every-step.ts'
import type { Ledger, ResourceKind } from '../ledger/ledger.ts'
import { unmountBelow } from '../linux/mounts/mount.ts'

/** `owner` is the container that the holding was made for, or empty for the sandbox. */
export interface MountData {
  readonly target: string
  readonly owner: string
}

/**
 * A mount. A shim's mounts live in its own mount namespace and go away with it. Another process does not see them, and need not release them.
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
 * A directory, or a file that is only a mount point. It is removed with rmdir(2) or unlink(2), never recursively: while something is mounted
 * there the kernel refuses (EBUSY), and the mounted files stay untouched. Empty directories in it are removed first: a shim that is killed while
 * it mounts the layers of a root file system leaves their mount points (mapped-overlay.ts).
 */
export const directoryResource: ResourceKind<PathData> = {
  kind: 'directory',
  release: ({ path }) => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) removeDirectory(path)
    else if (stat !== undefined) unlinkSync(path)
  },
}

/** @throws ErrnoException ENOTEMPTY if it has anything but empty directories; EBUSY. */
function removeDirectory(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    try {
      rmdirSync(`${path}/${entry.name}`)
    } catch {
      // If anything stays here, the removal below fails and says why.
    }
  }
  rmdirSync(path)
}

/**
 * Releases the holdings of `owner`: mounts first, then mount points, the newest of each first. A holding that cannot be released stays in the
 * ledger. If a mount stays, all mount points stay, because below the mount are the volume's own directories.
 *
 * @throws the first failure, after all other releases.
 */
export async function releaseOwner(ledger: Ledger, owner: string): Promise<void> {
  await everyStep(releasesOf(ledger, mountResource, owner))
  await everyStep(releasesOf(ledger, directoryResource, owner))
}

function releasesOf<Data extends { readonly owner: string }>(
  ledger: Ledger,
  kind: ResourceKind<Data>,
  owner: string,
): (() => Promise<void>)[] {
  const owned = ledger.dataOf(kind).filter((data) => data.owner === owner)
  return owned.toReversed().map((data) => () => ledger.release(kind, (held) => held === data))
}
