/** A process of a task, tied to the fate of its pod. */
import { killLimits } from '../daemon/after-kill.ts'
import { exitFields } from './answers.ts'
import { taskEvents } from './events.ts'
import type { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'
import { TaskProcess } from './task-process.ts'

type Made = Pick<
  ConstructorParameters<typeof TaskProcess>[0],
  'id' | 'stdio' | 'guest' | 'tellsDeath' | 'inputReturns' | 'isExec' | 'othersOver'
>

/** Makes a process. If the guest does not end it in time after SIGKILL, the guest loses its machine. */
export function makeProcess(
  { pod, namespace, limits = killLimits, log }: TaskContext,
  made: Made,
): TaskProcess {
  return new TaskProcess({
    ...made,
    namespace,
    limits,
    lost: pod.over,
    log,
    onSurvived: () =>
      pod.condemn(`its guest did not end ${made.id} within ${limits.endMs / 1000} s of SIGKILL`),
    heldUp: () => pod.heldUp,
    waited: () => pod.waited(),
  })
}

/**
 * Publishes the end of a process when it comes. A process that never ran gets no event, because no client waits for one; nor does a suspended
 * one, which has not ended.
 */
export function publishExit(
  { events }: TaskContext,
  task: Pick<Task, 'id' | 'pid' | 'saved' | 'isSuspended'>,
  process: TaskProcess,
): void {
  const { id: containerId, pid } = task
  void process.exited.then(async (exit) => {
    if (process.failedToStart) return
    // A save that ends the machine is answered after that end.
    if (task.saved !== undefined) await task.saved
    if (task.isSuspended) return
    events.publish(taskEvents.exit({ containerId, id: process.id, pid, ...exitFields(exit) }))
  })
}
