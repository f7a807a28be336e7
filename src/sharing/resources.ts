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
 * A mount. A shim's mounts live in its own mount namespace and go away with it. Another process sees none and has nothing to do.
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
 * A directory, or a file that is only a mount point. Removed with rmdir(2) or unlink(2), never recursively: the kernel refuses (EBUSY)
 * while something is mounted there, and the mounted files stay untouched. Empty directories in it go first: a shim that was killed while it
 * mounted the layers of a root file system had made places for them (mapped-overlay.ts), and the mounts went with it.
 */
export const directoryResource: ResourceKind<PathData> = {
  kind: 'directory',
  release: ({ path }) => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) removeDirectory(path)
    else if (stat !== undefined) unlinkSync(path)
  },
}

/** @throws ErrnoException ENOTEMPTY when there is anything but empty directories in it; EBUSY. */
function removeDirectory(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    try {
      rmdirSync(`${path}/${entry.name}`)
    } catch {
      // What stays in it fails the removal below, with a reason.
    }
  }
  rmdirSync(path)
}

/**
 * Releases the holdings of `owner`: mounts first, then mount points, the newest of each first. What cannot be released stays in the ledger,
 * and with a mount all mount points: below it are the volume's own directories.
 *
 * @throws the first failure, once all the others were released.
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
