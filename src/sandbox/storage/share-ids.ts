/** Whether the ids of a container's processes have a place in the id map of an unprivileged share. */
import { KataError } from '../../errors.ts'
import type { IdExtent } from '../../linux/processes/user-namespace.ts'
import { processIds } from '../../oci/process-ids.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { hasPlace } from '../../sharing/share-id-map.ts'

/** @throws KataError SHARE_ID_BEYOND naming the first id of the container's user that `map` does not have. */
export function requireSharedIds(
  spec: Pick<OciSpec, 'process'>,
  container: string,
  map: readonly IdExtent[],
): void {
  const beyond = processIds(spec).find((id) => !hasPlace(map, id))
  if (beyond !== undefined) throw new KataError('SHARE_ID_BEYOND', { container, id: beyond })
}
