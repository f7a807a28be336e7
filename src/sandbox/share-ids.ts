/** Whether the ids of a container's processes have a place in the id map of an unprivileged share. */
import { KataError } from '../errors.ts'
import type { IdExtent } from '../linux/user-namespace.ts'
import { hasPlace } from '../sharing/share-id-map.ts'
import type { OciSpec } from './oci.ts'

interface OciUser {
  readonly uid?: number
  readonly gid?: number
  readonly additionalGids?: readonly number[]
}

/** User, group and supplementary groups (among them a pod's `fsGroup`) of a container's first process. */
export function processIds({ process = {} }: Pick<OciSpec, 'process'>): number[] {
  const { uid = 0, gid = 0, additionalGids = [] } = (process.user ?? {}) as OciUser
  return [uid, gid, ...additionalGids]
}

/** @throws KataError SHARE_ID_BEYOND naming the first id of the container's user that `map` does not have. */
export function requireSharedIds(
  spec: Pick<OciSpec, 'process'>,
  container: string,
  map: readonly IdExtent[],
): void {
  const beyond = processIds(spec).find((id) => !hasPlace(map, id))
  if (beyond !== undefined) throw new KataError('SHARE_ID_BEYOND', { container, id: beyond })
}
