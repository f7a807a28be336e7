/** Parts of the Task service's answers that several calls have. */
import { KataError } from '../../errors.ts'
import type { StateResponse } from '../../protocol/generated/containerd/task.ts'
import { Status } from '../../protocol/generated/containerd/types.ts'
import type { Timestamp } from '../../protocol/generated/google/protobuf/timestamp.ts'
import { toTimestamp } from '../../protocol/timestamp.ts'
import type { Task } from './task.ts'
import type { TaskExit, TaskProcess, TaskState } from './task-process.ts'

const statusOf: Record<TaskState, Status> = {
  created: Status.CREATED,
  running: Status.RUNNING,
  paused: Status.PAUSED,
  stopped: Status.STOPPED,
}

/** The answer to State. */
export function stateOf(task: Task, execId: string): StateResponse {
  const { exit, state, stdio } = task.process(execId)
  const { stdin, stdout, stderr, terminal } = stdio
  return {
    id: task.id,
    execId,
    bundle: task.bundle,
    pid: task.pid,
    status: statusOf[state],
    stdin,
    stdout,
    stderr,
    terminal,
    ...exitFields(exit),
  }
}

/** How a process ended; status 0 and no time while it has not. */
export function exitFields(exit: TaskExit | undefined): {
  exitStatus: number
  exitedAt: Timestamp | undefined
} {
  return { exitStatus: exit?.status ?? 0, exitedAt: exit && toTimestamp(exit.at) }
}

export function wrongState(action: string, { id, state }: TaskProcess): KataError {
  return new KataError('TASK_STATE', { action, id, state })
}
