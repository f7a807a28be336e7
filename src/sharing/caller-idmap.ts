/**
 * The files of a user of the host for the user of a container: through this map his files are that one's, and all others belong to
 * nobody. The kernel then gives the container what it gives this user: no capability counts for a file whose owner has no place in the
 * map, and nothing can be made for another owner.
 */

import { closeSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { newUserNamespace } from '../linux/processes/user-namespace.ts'
import type { MountCaller } from '../oci/caller-mount.ts'
import type { Idmap, MountPurpose } from './idmap.ts'

/** Closes its user namespace at the end; mounts that were made with it keep their map. */
export type CallerIdmap = Idmap & Disposable

/**
 * `idmap` is the share's own: the ids that its daemon uses for those of the container.
 *
 * @throws KataError SHARE_CALLER when the daemon is root of the host, or has no place for the container's user; USER_NAMESPACE_REFUSED.
 */
export async function callerIdmap(
  idmap: Idmap | undefined,
  { uid, gid, guestUid, guestGid }: MountCaller,
  purpose: MountPurpose,
): Promise<CallerIdmap> {
  const [user, group] = [outside(idmap, guestUid), outside(idmap, guestGid)]
  if (user === undefined || group === undefined) throw new KataError('SHARE_CALLER', { ...purpose })
  // A map of a mount leads from the ids on disk, which are `inside`, to those of the daemon.
  const map = [{ inside: uid, outside: user, count: 1 }]
  const groups = [{ inside: gid, outside: group, count: 1 }]
  const userNamespace = await newUserNamespace(map, groups)
  return {
    userNamespace,
    first: user,
    map,
    [Symbol.dispose]: () => closeSync(userNamespace),
  }
}

function outside(idmap: Idmap | undefined, id: number): number | undefined {
  const extent = idmap?.map.find(({ inside, count }) => id >= inside && id < inside + count)
  return extent && extent.outside + (id - extent.inside)
}
