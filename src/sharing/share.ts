/** The pod's share: what the guest sees of the host's files, however it gets there. */
import type { IdExtent } from '../linux/processes/user-namespace.ts'
import type { ExitInfo } from '../rootless/jail/launch-spec.ts'

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

/** What the agent has to mount: the fields of Kata's Storage message that are used here. */
export interface GuestStorage {
  readonly driver: string
  readonly source: string
  readonly fstype: string
  readonly options: readonly string[]
  readonly mountPoint: string
}

/** A container's root file system as the guest finds it. */
export interface GuestRootfs {
  readonly path: string
  /** What the agent mounts first. */
  readonly storages: readonly GuestStorage[]
}

/** How files of the host come to the guest. */
export interface Share {
  /** The ids that its files can belong to; undefined when any can. */
  readonly idMap: readonly IdExtent[] | undefined
  /** Whether files are copied, so that the host does not see what is written to them in the guest. Default false. */
  readonly copiesFiles?: boolean
  /**
   * Directory of the guest for copies of what changes on the host, because such a change raises no inotify event in the share;
   * undefined where all files are the guest's own.
   */
  readonly watchedPath: string | undefined
  /** Brings a container's root file system to the guest. */
  addRootfs(containerId: string, mounts: readonly RootfsMount[]): Promise<GuestRootfs>
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

/** Where the guest finds a share that it mounts. */
export interface SharePlace {
  /** virtiofs tag. */
  readonly tag: string
  /** Where the agent mounts it, such as `/run/kata-containers/shared/containers`. */
  readonly guestPath: string
}

/** A share that the guest mounts, served by a daemon. */
export interface HostShare extends Share, SharePlace {
  /** A connected descriptor for the VMM's vhost-user-fs device; the caller closes it after handing it over. */
  connect(): number
}

/** One that only volumes come to. */
export type VolumeShare = Omit<HostShare, 'idMap' | 'watchedPath' | 'addRootfs'>
