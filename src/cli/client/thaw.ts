/** A paused container that is to end by a signal: what is frozen handles none. */
import { answerStatus, type TaskClient } from './task.ts'

/** The answers of a shim whose container has ended, or is not paused; shims of version 0.1.0 gave no code with them. */
const needless: readonly (string | undefined)[] = ['not_found', 'failed_precondition']

/**
 * Lets it go on. One that has ended, or that another command has let go on, needs that no more. One whose machine is saved goes on afterwards,
 * which may be later than the answer is waited for: a shim that answers does it.
 */
export async function thaw(task: TaskClient): Promise<void> {
  await task.resume().catch(async (error) => {
    const status = answerStatus(error)
    if (status === 'deadline_exceeded') await task.connectInfo()
    else if (!needless.includes(status)) throw error
  })
}
