import type { TaskContext } from './task-context.ts'

/**
 * Ends the pod for a client that is done with the shim. A client asks after every task: the shim goes on while another task is left,
 * or the pod stands alone. `end` is called once the pod has ended.
 *
 * @throws KataError RELEASE_FAILED; `end` is called all the same: `delete` and `gc` release what is left once the shim is gone.
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
