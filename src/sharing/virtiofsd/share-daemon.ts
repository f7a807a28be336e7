/** The program that serves a share to the guest, however it is confined. */
import type { ProcessRef } from '../../linux/processes/proc.ts'
import type { IdExtent } from '../../linux/processes/user-namespace.ts'
import type { ExitInfo } from '../../rootless/jail/launch-spec.ts'
import type { Idmap } from '../idmap.ts'

export interface ShareDaemon {
  /** Path of the listening socket. The VMM's user may connect if it is {@link ShareDaemonSpec.clientUid}. */
  readonly socketPath: string
  /**
   * Hands over the one connection of the vhost-user front end; the receiver closes it. It was made before the VMM existed, so no other
   * process could replace the socket.
   *
   * @throws KataError SHARE_CONNECTION_TAKEN at the second call.
   */
  connect(): number
  /** Resolves when the daemon has exited, on request or not. */
  readonly exited: Promise<ExitInfo>
  /** Its processes, the supervising one first. */
  readonly processes: readonly ProcessRef[]
  /** The id map for the share's mounts; undefined when the daemon is root of the host. Valid until it exits. */
  readonly idmap: Idmap | undefined
}

/** The pod's first daemon, and the daemon of its writable volumes. */
export type DaemonName = 'virtiofsd' | 'virtiofsd-volumes'

/** The description of a daemon. */
export interface ShareDaemonSpec {
  /** Name of its processes, log and socket; default `virtiofsd`. */
  readonly name?: DaemonName
  /** Directory to serve. Every user can reach it. */
  readonly sharedDir: string
  /** Its id map, from {@link shareIdMap}. Without one it is root of the host. */
  readonly ids?: readonly IdExtent[]
  /** Called before anything is served, when there are `ids`. Throws to refuse. */
  readonly accept?: (idmap: Idmap) => void
  /** Root-owned directory of the sandbox, for the log. */
  readonly stateDir: string
  /** Where the listening socket is bound, mode 0600 root. */
  readonly privateDir: string
  /**
   * The user of a VMM that connects by itself. The socket then belongs to that user, and {@link ShareDaemon.connect} has nothing to hand
   * over. The daemon serves one connection only.
   */
  readonly clientUid?: number
  /** `virtio_fs_daemon`. */
  readonly program: string
  /** `virtio_fs_cache`. */
  readonly cache: 'never' | 'metadata' | 'auto' | 'always'
  /** Keeps the guest from setting set-id bits and file capabilities. */
  readonly nosuid: boolean
  /** `virtio_fs_extra_args`, appended. */
  readonly extraArgs: readonly string[]
  /** Aborts the start. */
  readonly signal?: AbortSignal
}
