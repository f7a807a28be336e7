/** The pod's share brings the host's files to the guest, by a daemon or by copies. */
import type { IdExtent } from '../linux/processes/user-namespace.ts'
import type { MountCaller } from '../oci/caller-mount.ts'
import type { ExitInfo } from '../rootless/jail/launch-spec.ts'
import type { StreamBuffer } from './stream-buffer.ts'

/** A mount as containerd describes it (containerd.types.Mount): overlay, bind, ext4 and so on. */
export interface RootfsMount {
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** A file or directory of the host to be shown in the guest. */
export interface BindRequest {
  readonly source: string
  /** Path in the container. Its last component becomes part of a name. */
  readonly destination: string
  readonly readonly: boolean
  /** Includes the mounts that are below it now. */
  readonly recursive: boolean
  /** Mounts that the host makes or removes below it later appear and disappear in the guest, too. */
  readonly follow?: boolean
  /** `follow` may be dropped if it would be unsafe: docker adds it on its own to each directory above its data. */
  readonly followIsOptional?: boolean
  /** The bind is an emptyDir of the pod, which all of its containers share. */
  readonly isScratch?: boolean
  /** The host's user whose rights the bind has. Absent: root. */
  readonly caller?: MountCaller
}

/** A mount for the agent: the fields of Kata's Storage message that we use. */
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
  /** Mounts that the agent makes first. */
  readonly storages: readonly GuestStorage[]
}

/** Brings files of the host to the guest. */
export interface Share {
  /** Ids that may own files of the share; undefined if any id may. */
  readonly idMap: readonly IdExtent[] | undefined
  /** Whether files are copied, so that the host does not see the guest's changes. Default false. */
  readonly copiesFiles?: boolean
  /**
   * Makes a directory for copies of volumes that change on the host, because such a change raises no inotify event in the share. Returns its
   * path in the guest. Undefined if all files are the guest's own.
   */
  readonly addWatched: (() => Promise<string>) | undefined
  /** Makes the buffer for large output and input, once. Undefined in a share without a daemon. */
  readonly streamBuffer: (() => Promise<StreamBuffer>) | undefined
  /** Brings a container's root file system to the guest. */
  addRootfs(containerId: string, mounts: readonly RootfsMount[]): Promise<GuestRootfs>
  /**
   * Shows a file or directory of the host in the share and returns its path in the guest. Containers that ask for the same source get
   * the same path, so that sockets, locks and watches work between them.
   */
  addBind(containerId: string, bind: BindRequest): Promise<string>
  /** Unmounts everything that belongs to the container. */
  removeContainer(containerId: string): Promise<void>
  /** Resolves when the daemon exits. While the sandbox lives, that is a failure. */
  readonly exited: Promise<ExitInfo>
}

/** A share as the guest mounts it. */
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

/** A share for volumes only. */
export type VolumeShare = Omit<HostShare, 'idMap' | 'addWatched' | 'streamBuffer' | 'addRootfs'>
