/** The program that serves a share to the guest, however it is confined. */
import type { ProcessRef } from '../linux/processes/proc.ts'
import type { IdExtent } from '../linux/processes/user-namespace.ts'
import type { ExitInfo } from '../rootless/jail/launch-spec.ts'
import type { Idmap } from './idmap.ts'

export interface ShareDaemon {
  /** Where it listens; the VMM's user may connect if {@link ShareDaemonSpec.clientUid} says so. */
  readonly socketPath: string
  /**
   * Hands over the one connection of the vhost-user front end; the receiver closes it. It was made before the VMM
   * existed, so nobody could put another socket in its place.
   *
   * @throws KataError SHARE_CONNECTION_TAKEN at the second call.
   */
  connect(): number
  /** Settles once the daemon is over, whether asked for or not. */
  readonly exited: Promise<ExitInfo>
  /** Its processes, the supervising one first. */
  readonly processes: readonly ProcessRef[]
  /** What the share's mounts must be shown through; undefined when it is root of the host. Valid until it ends. */
  readonly idmap: Idmap | undefined
}

/** The pod's first one, and the one of its writable volumes. */
export type DaemonName = 'virtiofsd' | 'virtiofsd-volumes'

/** What is asked of a daemon. */
export interface ShareDaemonSpec {
  /** What its processes, log and socket are named by; default `virtiofsd`. */
  readonly name?: DaemonName
  /** Directory to serve; everybody may walk there. */
  readonly sharedDir: string
  /** The ids that it gets, those of {@link shareIdMap}. Without them it is root of the host. */
  readonly ids?: readonly IdExtent[]
  /** Asked before anything is served, when there are `ids`; throws to refuse. */
  readonly accept?: (idmap: Idmap) => void
  /** Root-owned directory of the sandbox, for the log. */
  readonly stateDir: string
  /** Where the listening socket is bound, mode 0600 root. */
  readonly privateDir: string
  /**
   * The user of a VMM that connects by itself: the socket becomes its own, and {@link ShareDaemon.connect} has nothing
   * to hand over. The daemon serves one connection only.
   */
  readonly clientUid?: number
  /** `virtio_fs_daemon`. */
  readonly program: string
  /** `virtio_fs_cache`. */
  readonly cache: 'never' | 'metadata' | 'auto' | 'always'
  /** No set-id bits and no file capabilities by the guest. */
  readonly nosuid: boolean
  /** `virtio_fs_extra_args`, appended. */
  readonly extraArgs: readonly string[]
  /** Gives the start up. */
  readonly signal?: AbortSignal
}
