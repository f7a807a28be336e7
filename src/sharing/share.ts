/** The pod's share: a host directory tree that the guest mounts, whoever serves it. */
import type { ExitInfo } from '../rootless/launch-spec.ts'

/** A mount as containerd describes it (containerd.types.Mount): overlay, bind, ext4 and so on. */
export interface RootfsMount {
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

export interface Share {
  /** virtiofs tag. */
  readonly tag: string
  /** Where the agent mounts it: `/run/kata-containers/shared/containers`. */
  readonly guestPath: string
  /** A connected descriptor for the VMM's vhost-user-fs device; the caller closes it after handing it over. */
  connect(): number
  /** Mounts a container's root file system into the share; returns its path in the guest. */
  addRootfs(containerId: string, mounts: readonly RootfsMount[]): Promise<string>
  /** Shows a host file or directory in the share; returns its path in the guest. */
  addBind(
    containerId: string,
    mount: { source: string; destination: string; readonly: boolean; recursive: boolean },
  ): Promise<string>
  /** Unmounts all that belongs to one container. */
  removeContainer(containerId: string): Promise<void>
  /** Settles if the daemon ends; while the sandbox lives that is a failure. */
  readonly exited: Promise<ExitInfo>
}
