/** Delete: the end of a process's record, and with the init process of the container itself. */
import { KataError } from '../../errors.ts'
import type { DeleteRequest, DeleteResponse } from '../../protocol/generated/containerd/task.ts'
import type { Pod } from '../daemon/pod.ts'
import { exitFields, wrongState } from './answers.ts'
import { taskEvents } from './events.ts'
import type { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'

/**
 * Ends the record of a stopped process; for the sandbox's own container only once everything is released. There is none yet of a
 * container that is being made; it is removed once that is done.
 *
 * @throws KataError TASK_NOT_FOUND, TASK_STATE; RELEASE_FAILED for the sandbox's own container, which is gone all the same:
 *   a client that asks again gets TASK_NOT_FOUND and goes on to Shutdown.
 */
export async function deleteProcess(
  context: TaskContext,
  { id, execId }: DeleteRequest,
): Promise<DeleteResponse> {
  const { tasks, events } = context
  if (execId === '') tasks.giveUp(id, 'deleted')
  // A client that asks again, as its time for the first was over, takes the answer for the end of all that the container had.
  while (tasks.removal(id) !== undefined) await tasks.removal(id)
  const task = tasks.get(id)
  const process = task.process(execId)
  // It may come to run, and would do so without anybody who knows of it.
  while (process.starting !== undefined) await process.starting
  if (process.state !== 'stopped' && process.state !== 'created') throw wrongState('delete', process)
  // The next start of the container has another logging program, for the same file. What was not started has none, and could be started in the pause.
  if (process.state === 'stopped') await process.logged
  // Another Delete came first.
  while (tasks.removal(id) !== undefined) await tasks.removal(id)
  if (tasks.get(id) !== task || task.process(execId) !== process)
    throw new KataError('TASK_NOT_FOUND', { id: `task ${id}` })
  const answer = { pid: task.pid, ...exitFields(process.exit) }
  if (execId !== '') task.removeExec(execId)
  else {
    // A task whose removal leaves something exists no longer, either.
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
    // Nothing of a container is left once its machine has gone.
    else if (isOver(pod)) await pod.gone()
    else
      await task.container.remove().catch(async (error) => {
        // The machine may have ended in the middle of it.
        if (!isOver(pod)) throw error
        await pod.gone()
      })
  })
}

const isOver = (pod: Pod): boolean => pod.isStopping || pod.death !== undefined || pod.over.aborted
