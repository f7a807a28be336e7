/** The pod's shared memory: one tmpfs in the guest, which all its containers see at /dev/shm. */
import { realpathSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { mountCaller } from '../../oci/caller-mount.ts'
import { isBind } from '../../oci/mounts.ts'
import type { OciMount, OciSpec } from '../../oci/spec.ts'

/** Kata's path in the guest. */
export const guestShm = '/run/kata-containers/sandbox/shm'
/** Docker's and Kubernetes's default. */
const defaultBytes = 64 * 1024 * 1024
const tmpfsMagic = 0x01021994

/** Shared memory needs neither programs nor devices. */
export const shmFlags = ['noexec', 'nosuid', 'nodev'] as const

/** Volumes and their parts, below the directory that kubelet has for a pod. */
const kubeletVolume = /\/(volumes\/kubernetes\.io~[^/]+|volume-subpaths)\//
/**
 * Where clients have the shared memory that they make for a pod or container: containerd, CRI-O, Docker, nerdctl and Podman have it in a directory
 * of its id, or one below. A user's own tmpfs may be called so too, as /mnt/shm, and has what he put there.
 */
const clientsShm = /\/[0-9a-f]{64}\/([^/]+\/)?shm\/?$/

/**
 * Whether it asks for the pod's shared memory: by the host's own, or by a tmpfs that a client has mounted for it. A tmpfs of the container's own
 * stays its own, and so does a volume in that place: an emptyDir in memory there is how a pod gets more than 64 MiB of it, and a directory
 * of the host holds what other containers are not to see.
 */
export function isPodShm(mount: OciMount): boolean {
  const { destination, source = '' } = mount
  return (
    destination === '/dev/shm' &&
    isBind(mount) &&
    mountCaller(mount) === undefined &&
    (source === '/dev/shm' || isClientsShm(source))
  )
}

const isClientsShm = (source: string): boolean =>
  clientsShm.test(source) && !kubeletVolume.test(source) && isMountedTmpfs(source)

/** Whether a tmpfs is mounted there. A directory of a user's may be in memory too, but is no mount of its own. */
function isMountedTmpfs(source: string): boolean {
  try {
    const path = realpathSync(source)
    return statfsSync(path).type === tmpfsMagic && statSync(path).dev !== statSync(dirname(path)).dev
  } catch {
    // Showing it to the container says what is wrong with it.
    return false
  }
}

/**
 * Size of the pod's /dev/shm in bytes: that of the tmpfs on the host that the spec of the sandbox's own container binds
 * there. The host's own /dev/shm (a pod with hostIPC) says nothing about the pod.
 */
export function shmBytes(spec: OciSpec): number {
  const source = (spec.mounts ?? []).find(isPodShm)?.source
  if (source === undefined || source === '/dev/shm') return defaultBytes
  try {
    const { type, bsize, blocks } = statfsSync(source)
    return type === tmpfsMagic && blocks > 0 ? bsize * blocks : defaultBytes
  } catch {
    // A mount that is needed is refused later, by the name of its source.
    return defaultBytes
  }
}

/** As Kata asks its agent for it. */
export function shmStorage(bytes: number) {
  return {
    driver: 'ephemeral',
    source: 'shm',
    fstype: 'tmpfs',
    options: [...shmFlags, 'mode=1777', `size=${bytes}`],
    mountPoint: guestShm,
  }
}
