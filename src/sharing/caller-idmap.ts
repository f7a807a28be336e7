/**
 * Id maps for a host user's files in a container. The map gives the host user's files to the container's user, and every other file to nobody.
 * The kernel then gives the container no more than the host user's rights: capabilities do not count for a file whose owner is not in the map,
 * and no file can be made for another owner.
 */

import { closeSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { newUserNamespace } from '../linux/processes/user-namespace.ts'
import type { MountCaller } from '../oci/caller-mount.ts'
import type { Idmap, MountPurpose } from './idmap.ts'

/** Closes its user namespace when disposed of. Mounts that were made with it keep their map. */
export type CallerIdmap = Idmap & Disposable

/**
 * Makes the map. `idmap` is the share's own map: the ids that the daemon uses for the container's.
 *
 * @throws KataError SHARE_CALLER if the daemon is root of the host, or has no place for the container's user; USER_NAMESPACE_REFUSED.
 */
export async function callerIdmap(
  idmap: Idmap | undefined,
  { uid, gid, guestUid, guestGid }: MountCaller,
  purpose: MountPurpose,
): Promise<CallerIdmap> {
  const [user, group] = [outside(idmap, guestUid), outside(idmap, guestGid)]
  if (user === undefined || group === undefined) throw new KataError('SHARE_CALLER', { ...purpose })
  // The map of a mount leads from ids on disk (`inside`) to ids of the daemon (`outside`).
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
