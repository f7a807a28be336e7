/** The volumes that kubelet has mounted for a pod. It mounts them before it asks for the pod's sandbox, so all can be looked at. */
import { join } from 'node:path'
import { isIdentifier } from '../../identifier.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { podUidOf } from '../../oci/annotations.ts'
import type { OciSpec } from '../../oci/spec.ts'

/**
 * Directories `volumes/<plugin>/<volume>` of the pod that the spec's annotations name; none outside of Kubernetes. `kubelet` is the
 * kubelet's root directory.
 */
export function podVolumes(spec: Pick<OciSpec, 'annotations'>, kubelet: string): string[] {
  const uid = podUidOf(spec) ?? ''
  if (!isIdentifier(uid)) return []
  const volumes = join(kubelet, 'pods', uid, 'volumes')
  return namesIn(volumes).flatMap((plugin) =>
    namesIn(`${volumes}/${plugin}`).map((volume) => `${volumes}/${plugin}/${volume}`),
  )
}
