/** How much the guest keeps of the files in a pod's first share. */
import type { VirtioFsCache } from '../../config/config.ts'
import { isPodSandbox } from '../../oci/annotations.ts'
import type { IsGuarded } from '../../sharing/pod-share.ts'
import type { ContainerRequest } from '../container-request.ts'
import { goesToVolumes } from './wants-volumes.ts'

type Asked = Pick<ContainerRequest, 'spec' | 'id' | 'rootfs'>

/**
 * `virtio_fs_cache` for the first share. Under `auto` the guest drops what it has of a file whenever somebody opens it, so a program is
 * read, and by TCG translated, anew each time that it is run. A share with a root file system alone changes by its container only, and
 * is kept. `isGuarded` tells what the second share serves.
 */
export function firstShareCache(
  configured: VirtioFsCache,
  container: Asked,
  isGuarded: IsGuarded,
): VirtioFsCache {
  return configured === 'auto' && hasRootfsOnly(container, isGuarded) ? 'always' : configured
}

/**
 * The containers of a pod are yet to come. A root file system that the host has mounted is not the container's alone: Docker mounts
 * it, and `docker cp` writes there.
 */
function hasRootfsOnly({ spec, id, rootfs }: Asked, isGuarded: IsGuarded): boolean {
  if (isPodSandbox(spec) || rootfs.length === 0) return false
  return goesToVolumes({ spec, id }, isGuarded).every(Boolean)
}
