import type { Logger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { KillLimits } from '../daemon/after-kill.ts'
import type { Pod } from '../daemon/pod.ts'
import type { MountShower } from '../late-mounts.ts'
import type { EventPublisher } from './publisher.ts'
import type { TaskTable } from './task-table.ts'

/** The parts that all calls of the Task service share. */
export interface TaskContext {
  readonly pod: Pod
  /** containerd's namespace. */
  readonly namespace: string
  readonly tasks: TaskTable
  readonly events: EventPublisher
  readonly log: Logger
  /** Copies mounts of the client's that the shim does not see into the shim's mount namespace. */
  readonly showMounts?: MountShower
  /** Whether the shim is older than its pod. Then even mounts of the first container may be newer than the shim. */
  readonly isLate?: boolean
  /** Completes a container's specification with the pod's part. */
  readonly complete?: (spec: OciSpec) => OciSpec
  /**
   * Whether a client whose connection closed may come back to continue. A restarted containerd or CRI-O does (docs/design/containerd.md), the
   * command line does not. The command line reports the death of a machine itself, so the shim does not write it to the streams of its
   * containers.
   */
  readonly clientReturns: boolean
  /** Returns a function that says later whether any of the clients connected now still is. Default: yes. */
  readonly clientsNow?: () => () => boolean
  readonly limits?: KillLimits
  /** Time for a mount's source to answer, milliseconds. Default as in {@link requireAnswering}. */
  readonly answerMs?: number
  /** How long a pause waits for execs that are being started, milliseconds. */
  readonly execsStartMs?: number
}
