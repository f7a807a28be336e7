/** Whether the ids of a container's processes have a place in the id map of an unprivileged share. */
import { KataError } from '../errors.ts'
import type { OciSpec } from './oci.ts'

/** The highest id that is mapped: a block less the VMM's own. */
export const highestSharedId = 65534

interface OciUser {
  readonly uid?: number
  readonly gid?: number
  readonly additionalGids?: readonly number[]
}

/** @throws KataError SHARE_ID_BEYOND naming the first id of the container's user that is too high. */
export function requireSharedIds({ process = {} }: Pick<OciSpec, 'process'>, container: string): void {
  const { uid = 0, gid = 0, additionalGids = [] } = (process.user ?? {}) as OciUser
  const beyond = [uid, gid, ...additionalGids].find((id) => id > highestSharedId)
  if (beyond !== undefined)
    throw new KataError('SHARE_ID_BEYOND', { container, id: beyond, highest: highestSharedId })
}
