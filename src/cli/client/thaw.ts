/** A paused container that is to end by a signal: what is frozen handles none. */
import { KataError } from '../../errors.ts'
import { answerStatus, isNotFound, type TaskClient } from './task.ts'

/**
 * Lets it go on. One that has ended, or that another command has let go on, needs that no more. One whose machine is saved goes on afterwards,
 * which may be later than the answer is waited for: a shim that answers does it.
 */
export async function thaw(task: TaskClient): Promise<void> {
  await task.resume().catch(async (error) => {
    if (answerStatus(error) === 'deadline_exceeded') await task.connectInfo()
    else if (!isNotFound(error) && !(error instanceof KataError && error.code === 'TASK_STATE')) throw error
  })
}
