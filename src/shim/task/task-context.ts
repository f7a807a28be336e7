import type { Logger } from '../../log.ts'
import type { OciSpec } from '../../oci/spec.ts'
import type { KillLimits } from '../daemon/after-kill.ts'
import type { Pod } from '../daemon/pod.ts'
import type { MountShower } from '../late-mounts.ts'
import type { EventPublisher } from './publisher.ts'
import type { TaskTable } from './task-table.ts'

/** What every call of the Task service works with. */
export interface TaskContext {
  readonly pod: Pod
  /** containerd's. */
  readonly namespace: string
  readonly tasks: TaskTable
  readonly events: EventPublisher
  readonly log: Logger
  /** Copies mounts of the client's that the shim does not see. */
  readonly showMounts?: MountShower
  /** Whether the shim is older than its pod, so that mounts of the first container may have come after it, too. */
  readonly isLate?: boolean
  /** Adds to the specification of a container what its pod gives it. */
  readonly complete?: (spec: OciSpec) => OciSpec
  /**
   * Whether a client whose connection closed may come back and ask for what it had begun. A containerd or CRI-O that is started anew does
   * (docs/design/containerd.md), the command line does not. The command line tells the death of a machine itself, so the streams of
   * its containers get none of it.
   */
  readonly clientReturns: boolean
  /** Returns whether one of the clients that are connected now still is, for later. Default: one is. */
  readonly clientsNow?: () => () => boolean
  readonly limits?: KillLimits
  /** How long the source of a mount may take to answer, milliseconds; default as {@link requireAnswering}. */
  readonly answerMs?: number
  /** How long execs that are being started may hold up a pause, milliseconds. */
  readonly execsStartMs?: number
}
