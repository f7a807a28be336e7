/** Whether a sandbox gets a share for writable volumes with its machine: it cannot get one later. */
import { KataError } from '../../errors.ts'
import { isPodSandbox } from '../../oci/annotations.ts'
import type { OciMount } from '../../oci/spec.ts'
import type { IsGuarded } from '../../sharing/pod-share.ts'
import type { ContainerRequest } from '../container-request.ts'
import { bindRequest, sharedMounts } from './mounts.ts'

/**
 * A pod's containers are unknown when it starts, and nearly every one has files that kubelet lets it write.
 *
 * @param isGuarded undefined where the pod's first share refuses already what this one would.
 */
export function wantsVolumes(
  { spec, id }: Pick<ContainerRequest, 'spec' | 'id'>,
  isGuarded: IsGuarded | undefined,
): boolean {
  if (isGuarded === undefined) return false
  return isPodSandbox(spec) || sharedMounts(spec, id).some((mount) => goesToVolumes(mount, id, isGuarded))
}

/** Whether a mount is one of the volumes' share. A file that cannot be opened is left to the mount, which reports it. */
export function goesToVolumes(mount: OciMount, container: string, isGuarded: IsGuarded): boolean {
  try {
    return isGuarded(container, bindRequest(mount))
  } catch (error) {
    if (error instanceof KataError) return false
    throw error
  }
}
