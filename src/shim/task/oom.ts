import { markOomKilled } from '../../bundle/oom-killed.ts'
import { taskEvents } from './events.ts'
import type { TaskContext } from './task-context.ts'

/** Marks and publishes that the guest's kernel killed a process of a container. Nothing is noted of a container that is none of ours. */
export function tellOomKill({ tasks, events, log }: TaskContext, id: string): void {
  if (!tasks.has(id)) return
  try {
    markOomKilled(tasks.get(id).bundle)
  } catch (error) {
    log.warn('the bundle of a container that ran out of memory could not be marked', { id, error })
  }
  events.publish(taskEvents.oom({ containerId: id }))
}
