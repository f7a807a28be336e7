import type { TaskContext } from './task-context.ts'

/**
 * Ends the pod for a client that is done with the shim. Clients ask for this after each task: the shim stays if another task is left, or the pod
 * stands alone. `end` is called once the pod has ended.
 *
 * @throws KataError RELEASE_FAILED; `end` is called nevertheless: `delete` and `gc` release the rest when the shim is gone.
 */
export async function shutDown({ tasks, pod }: TaskContext, now: boolean, end: () => void): Promise<object> {
  if ((!tasks.isEmpty || pod.standsAlone) && !now) return {}
  try {
    await pod.stop()
  } finally {
    end()
  }
  return {}
}
