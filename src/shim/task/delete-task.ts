/** Delete: removes the record of a process; for the init process, the container as well. */
import { KataError } from '../../errors.ts'
import type { DeleteRequest, DeleteResponse } from '../../protocol/generated/containerd/task.ts'
import type { Pod } from '../daemon/pod.ts'
import { exitFields, wrongState } from './answers.ts'
import { taskEvents } from './events.ts'
import type { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'

/**
 * Removes the record of a stopped process. For the sandbox's own container it waits until everything is released. A container that is being made
 * is removed once it is made.
 *
 * @throws KataError TASK_NOT_FOUND, TASK_STATE; RELEASE_FAILED for the sandbox's own container, which is gone nevertheless: a client that asks
 *   again gets TASK_NOT_FOUND and continues with Shutdown.
 */
export async function deleteProcess(
  context: TaskContext,
  { id, execId }: DeleteRequest,
): Promise<DeleteResponse> {
  const { tasks, events } = context
  if (execId === '') tasks.giveUp(id, 'deleted')
  // A client whose first Delete timed out asks again, and takes TASK_NOT_FOUND to mean that everything is released.
  while (tasks.removal(id) !== undefined) await tasks.removal(id)
  const task = tasks.get(id)
  const process = task.process(execId)
  // A process whose start is under way may still run, and then nobody would know of it.
  while (process.starting !== undefined) await process.starting
  if (process.state !== 'stopped' && process.state !== 'created') throw wrongState('delete', process)
  // The container's next start runs another logging program on the same file. A process that was not started has none, and waiting would let it
  // be started meanwhile.
  if (process.state === 'stopped') await process.logged
  // Another Delete may have come first.
  while (tasks.removal(id) !== undefined) await tasks.removal(id)
  if (tasks.get(id) !== task || task.process(execId) !== process)
    throw new KataError('TASK_NOT_FOUND', { id: `task ${id}` })
  const answer = { pid: task.pid, ...exitFields(process.exit) }
  if (execId !== '') task.removeExec(execId)
  else {
    // The task is gone even if its removal leaves something behind.
    await remove(context, task).finally(() => {
      task.removed()
      events.publish(taskEvents.delete({ containerId: id, id: '', ...answer }))
    })
  }
  return answer
}

async function remove({ pod, tasks }: TaskContext, task: Task): Promise<void> {
  await tasks.remove(task.id, async () => {
    if (task.id === pod.id) await pod.stop()
    // A machine that has gone leaves nothing of its containers.
    else if (isOver(pod)) await pod.gone()
    else
      await task.container.remove().catch(async (error) => {
        // The machine may have ended during the removal.
        if (!isOver(pod)) throw error
        await pod.gone()
      })
  })
}

const isOver = (pod: Pod): boolean => pod.isStopping || pod.death !== undefined || pod.over.aborted
