/** The pod's shared memory: one tmpfs in the guest, which all its containers see at /dev/shm. */
import { statfsSync } from 'node:fs'
import { isPodShm } from '../../oci/mounts.ts'
import type { OciSpec } from '../../oci/spec.ts'

/** Kata's path in the guest. */
export const guestShm = '/run/kata-containers/sandbox/shm'
/** Docker's and Kubernetes's default. */
const defaultBytes = 64 * 1024 * 1024
const tmpfsMagic = 0x01021994

/** Shared memory needs neither programs nor devices. */
export const shmFlags = ['noexec', 'nosuid', 'nodev'] as const

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
