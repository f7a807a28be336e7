/** Resumes a paused container after a signal that is to end it: paused processes do not handle signals. */
import { answerStatus, type TaskClient } from './task.ts'

/** Statuses that mean the container has ended or is not paused. Shims of version 0.1.0 sent no error code with them. */
const needless: readonly (string | undefined)[] = ['not_found', 'failed_precondition']

/**
 * Resumes the container. If it has ended, or another command has resumed it, nothing is left to do. While its machine is being saved, it resumes
 * after the save, perhaps later than the deadline of the call; a shim that still answers will do it.
 */
export async function thaw(task: TaskClient): Promise<void> {
  await task.resume().catch(async (error) => {
    const status = answerStatus(error)
    if (status === 'deadline_exceeded') await task.connectInfo()
    else if (!needless.includes(status)) throw error
  })
}
