/** Whether a sandbox gets a share for writable volumes with its machine: it cannot get one later. */
import { KataError } from '../../errors.ts'
import { isPodSandbox, podUidOf } from '../../oci/annotations.ts'
import type { IsGuarded } from '../../sharing/pod-share.ts'
import type { ContainerRequest } from '../container-request.ts'
import { bindRequest, sharedMounts } from './mounts.ts'

/**
 * A pod's containers are unknown when it starts, and nearly every one has files that kubelet lets it write.
 *
 * @param isGuarded undefined if the pod's first share already refuses set-id bits and file capabilities.
 */
export function wantsVolumes(
  { spec, id }: Pick<ContainerRequest, 'spec' | 'id'>,
  isGuarded: IsGuarded | undefined,
): boolean {
  if (isGuarded === undefined) return false
  return isPodSandbox(spec) || goesToVolumes({ spec, id }, isGuarded).includes(true)
}

/** For each shared mount, whether it belongs to the share for volumes. A file that cannot be opened is left to the mount, which reports it. */
export function goesToVolumes(
  { spec, id }: Pick<ContainerRequest, 'spec' | 'id'>,
  isGuarded: IsGuarded,
): boolean[] {
  const podUid = podUidOf(spec)
  return sharedMounts(spec, id).map((mount) => {
    try {
      return isGuarded(id, bindRequest(mount, podUid))
    } catch (error) {
      if (error instanceof KataError) return false
      throw error
    }
  })
}
