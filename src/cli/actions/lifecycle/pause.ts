import type { TaskClient } from '../../client/task.ts'
import type { Settings } from '../../settings.ts'
import { connectRunning, findRecord, forEachName } from '../containers.ts'

export function pause(settings: Settings, names: readonly string[]): Promise<number> {
  return forEachTask(settings, names, (task) => task.pause())
}

export function unpause(settings: Settings, names: readonly string[]): Promise<number> {
  return forEachTask(settings, names, (task) => task.resume())
}

function forEachTask(
  settings: Settings,
  names: readonly string[],
  work: (task: TaskClient) => Promise<void>,
): Promise<number> {
  return forEachName(settings, names, async (name) => {
    const task = await connectRunning(findRecord(settings, name))
    try {
      await work(task)
    } finally {
      task.close()
    }
  })
}
