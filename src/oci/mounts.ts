/** What a mount of a spec asks for. */
import { mountCaller } from './caller-mount.ts'
import type { OciMount } from './spec.ts'

/** Whether it shows files that are there already. */
export function isBind({ type, options = [] }: OciMount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind')
}

/** Whether the container may only read there. `rro` holds for what is mounted below as well; CRI clients send it in place of `ro`. */
export function isReadOnly({ options = [] }: OciMount): boolean {
  return options.includes('ro') || options.includes('rro')
}

/** Volumes and their parts, below the directory that kubelet has for a pod. */
const kubeletVolume = /\/(volumes\/kubernetes\.io~[^/]+|volume-subpaths)\//
/** How the shared memory of a pod or container is called that its client has made: containerd, CRI-O, Docker, nerdctl, Podman; or the host's own. */
const clientsShm = /\/shm\/?$/

/**
 * Whether it asks for the pod's shared memory. A tmpfs of the container's own stays its own, and so does a volume in that place: an
 * emptyDir in memory there is how a pod gets more than 64 MiB of it, and a directory of the host holds what other containers are not to see.
 */
export function isPodShm(mount: OciMount): boolean {
  const { destination, source = '' } = mount
  return (
    destination === '/dev/shm' &&
    isBind(mount) &&
    clientsShm.test(source) &&
    !kubeletVolume.test(source) &&
    mountCaller(mount) === undefined
  )
}
