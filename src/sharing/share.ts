/** The pod's share: the host's files that the guest sees, by whichever way. */
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
  /** Mounts that the host makes or removes below it later appear and disappear in the guest too. */
  readonly follow?: boolean
  /** `follow` may be left out where it would be unsafe: docker adds it by itself to each directory above its own. */
  readonly followIsOptional?: boolean
  /** An emptyDir of the pod: all of its containers have the same. */
  readonly isScratch?: boolean
  /** The user of the host with whose rights it is shown; absent: root's. */
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
  /** Ids that may own files of the share; undefined when any may. */
  readonly idMap: readonly IdExtent[] | undefined
  /** Whether files are copied, so that the host does not see what is written to them in the guest. Default false. */
  readonly copiesFiles?: boolean
  /**
   * Makes a directory for copies of what changes on the host, because such a change raises no inotify event in the share; returns
   * its path in the guest. Undefined where all files are the guest's own.
   */
  readonly addWatched: (() => Promise<string>) | undefined
  /** Makes the buffer for much output, once; undefined in a share without a daemon. */
  readonly streamBuffer: (() => Promise<StreamBuffer>) | undefined
  /** Brings a container's root file system to the guest. */
  addRootfs(containerId: string, mounts: readonly RootfsMount[]): Promise<GuestRootfs>
  /**
   * Shows a file or directory of the host in the share and returns its path in the guest. Containers that ask for the same source get
   * the same path, so that sockets, locks and watches work between them.
   */
  addBind(containerId: string, bind: BindRequest): Promise<string>
  /** Unmounts all that belongs to one container. */
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
