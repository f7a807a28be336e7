/**
 * What the guest is told of a container: the OCI spec of the host with everything taken out that names the host.
 * Which parts, and why, follows Kata's runtime (container create); where we keep more, it is said beside the line.
 */
import type { OciMount, OciSpec } from './oci.ts'

export interface GuestSpecInput {
  readonly spec: OciSpec
  /** Path of the container's root file system in the guest. */
  readonly rootfs: string
  /** Path in the guest for each bind mount of the spec, by its index in `spec.mounts`. */
  readonly bindSources: ReadonlyMap<number, string>
  readonly disableGuestSeccomp: boolean
}

const defaultShm: OciMount = {
  destination: '/dev/shm',
  type: 'tmpfs',
  source: 'shm',
  options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
}

/** Pure: the same input gives the same spec. */
export function guestSpec({ spec, rootfs, bindSources, disableGuestSeccomp }: GuestSpecInput): OciSpec {
  const { hooks: _hostHooks, ...kept } = spec
  const { seccomp, resources, namespaces = [], cgroupsPath: _hostCgroup, ...linux } = spec.linux ?? {}
  // Device rules speak of host devices; the guest's crun sets the default ones. Unlike Kata we keep the pids limit.
  const { devices: _hostDevices, network: _hostNetwork, ...limits } = resources ?? {}
  return {
    ...kept,
    root: { ...spec.root, path: rootfs },
    mounts: (spec.mounts ?? []).map((mount, index) => guestMount(mount, bindSources.get(index))),
    linux: {
      ...linux,
      resources: limits,
      namespaces: guestNamespaces(namespaces),
      ...(seccomp !== undefined && !disableGuestSeccomp ? { seccomp } : {}),
    },
  }
}

/** Whether this mount shows a file or directory of the host, which must be carried into the share. */
export function isHostBind(mount: OciMount): boolean {
  const bind =
    mount.type === 'bind' || (mount.options ?? []).some((option) => option === 'bind' || option === 'rbind')
  return bind && mount.destination !== '/dev/shm'
}

function guestMount(mount: OciMount, source: string | undefined): OciMount {
  if (mount.destination === '/dev/shm' && mount.type === 'bind') return defaultShm
  return source === undefined ? mount : { ...mount, source }
}

/** Whether the container joins the pod's pid namespace (`shareProcessNamespace`): it is then named by a path. */
export function sharesPidNamespace({ linux }: OciSpec): boolean {
  return (linux?.namespaces ?? []).some(({ type, path }) => type === 'pid' && path)
}

/**
 * The VM is the pod's network, cgroup and time namespace; the paths of the host's namespaces mean nothing in it. A
 * container without a pid namespace (`hostPID`) gets one of its own: among the guest's processes is the agent.
 */
function guestNamespaces(namespaces: readonly { type: string; path?: string }[]): { type: string }[] {
  const dropped = new Set(['network', 'cgroup', 'time', 'user', 'pid'])
  const kept = namespaces.filter(({ type }) => !dropped.has(type)).map(({ type }) => ({ type }))
  return [...kept, { type: 'pid' }]
}
