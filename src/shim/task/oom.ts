import { markOomKilled } from '../../bundle/oom-killed.ts'
import { taskEvents } from './events.ts'
import type { TaskContext } from './task-context.ts'

/**
 * Marks the container and publishes an event after the guest's kernel killed a process of it for want of memory. Ignores containers without a
 * task.
 */
export function tellOomKill({ tasks, events, log }: TaskContext, id: string): void {
  if (!tasks.has(id)) return
  try {
    markOomKilled(tasks.get(id).bundle)
  } catch (error) {
    log.warn('the bundle of a container that ran out of memory could not be marked', { id, error })
  }
  events.publish(taskEvents.oom({ containerId: id }))
}
