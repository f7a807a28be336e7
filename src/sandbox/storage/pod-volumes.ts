/** The volumes that kubelet has mounted for a pod. It mounts them before it asks for the pod's sandbox, so all can be looked at. */
import { readdirSync } from 'node:fs'
import { isIdentifier } from '../../identifier.ts'
import { podUidOf } from '../../oci/annotations.ts'
import type { OciSpec } from '../../oci/spec.ts'

const podsDir = '/var/lib/kubelet/pods'

/** Directories `volumes/<plugin>/<volume>` of the pod that the spec's annotations name; none outside of Kubernetes. */
export function podVolumes(spec: Pick<OciSpec, 'annotations'>, pods = podsDir): string[] {
  const uid = podUidOf(spec) ?? ''
  if (!isIdentifier(uid)) return []
  const volumes = `${pods}/${uid}/volumes`
  return names(volumes).flatMap((plugin) =>
    names(`${volumes}/${plugin}`).map((volume) => `${volumes}/${plugin}/${volume}`),
  )
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
