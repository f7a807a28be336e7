/**
 * The termination message of a container (kubernetes.io, "Determine the Reason for Pod Failure"): a file that the kubelet mounts into
 * the container and reads when it has ended. `kubectl describe pod` shows what is in it.
 */
import { podUidOf } from './annotations.ts'
import { mountCaller } from './caller-mount.ts'
import { isBind, isReadOnly } from './mounts.ts'
import type { OciMount, OciSpec } from './spec.ts'

/** Tells the guest where it is in the container. The kubelet's own annotation, which containerd does not pass on by default. */
export const terminationPathAnnotation = 'io.kubernetes.container.terminationMessagePath'

/** Where the kubelet makes it, below its directory of pods; the last part is a random number of 32 bits. */
const kubeletFile = /\/pods\/([^/]+)\/containers\/[^/]+\/[0-9a-f]{8}$/

/** The mount of a container's termination message, known by the place of the kubelet's file. */
export function terminationMount(spec: Pick<OciSpec, 'annotations' | 'mounts'>): OciMount | undefined {
  const pod = podUidOf(spec)
  return spec.mounts?.find((mount) => {
    const { source = '' } = mount
    const [, uid] = kubeletFile.exec(source) ?? []
    // A user's directories may have any names.
    if (mountCaller(mount) !== undefined) return false
    return uid !== undefined && (pod === undefined || uid === pod) && isBind(mount) && !isReadOnly(mount)
  })
}
