/** The pod's share: a host directory tree that the guest mounts, whoever serves it. */
import type { ExitInfo } from '../rootless/launch-spec.ts'

/** A mount as containerd describes it (containerd.types.Mount): overlay, bind, ext4 and so on. */
export interface RootfsMount {
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** A file or directory of the host to be shown in the guest. */
export interface BindRequest {
  readonly source: string
  /** In the container; its last part becomes part of a name. */
  readonly destination: string
  readonly readonly: boolean
  /** With what is mounted below it now. */
  readonly recursive: boolean
  /** Mounts that the host makes below it later appear, those it takes away disappear. */
  readonly follow?: boolean
}

export interface Share {
  /** virtiofs tag. */
  readonly tag: string
  /** Where the agent mounts it: `/run/kata-containers/shared/containers`. */
  readonly guestPath: string
  /** Whether its daemon is unprivileged: then only so many ids have a place on its disks. */
  readonly idmapped: boolean
  /** A connected descriptor for the VMM's vhost-user-fs device; the caller closes it after handing it over. */
  connect(): number
  /** Mounts a container's root file system into the share; returns its path in the guest. */
  addRootfs(containerId: string, mounts: readonly RootfsMount[]): Promise<string>
  /**
   * Shows a host file or directory in the share; returns its path in the guest. Containers that ask for the same get the
   * same, so that sockets, locks and watches work between them.
   */
  addBind(containerId: string, bind: BindRequest): Promise<string>
  /** Unmounts all that belongs to one container. */
  removeContainer(containerId: string): Promise<void>
  /** Settles if the daemon ends; while the sandbox lives that is a failure. */
  readonly exited: Promise<ExitInfo>
}
