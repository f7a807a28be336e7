/** Checkpoint: saves the machine of a task. The option `exit` ends the task by that; it can be continued once. */
import { KataError } from '../../errors.ts'
import { CheckpointOptions } from '../../protocol/generated/containerd/runc_options.ts'
import type { CheckpointTaskRequest } from '../../protocol/generated/containerd/task.ts'
import type { CallContext } from '../../ttrpc/ttrpc.ts'
import { wrongState } from './answers.ts'
import type { TaskContext } from './task-context.ts'

const optionsType = 'containerd.runc.v1.CheckpointOptions'

/**
 * Saves the machine. If the client goes away before the save is done, nobody would fetch the result, so the container continues.
 *
 * @throws KataError TASK_NOT_FOUND, TASK_STATE, TASK_UNSUPPORTED for containerd, CHECKPOINT_REFUSED, and those of the pod's `save`.
 */
export async function checkpointTask(
  { pod, tasks, clientReturns }: TaskContext,
  { id, path, options }: CheckpointTaskRequest,
  call?: Pick<CallContext, 'onCancel'>,
): Promise<object> {
  // Under containerd, root file systems are not disks that could be saved, and containerd would take the files for a CRIU image.
  if (clientReturns) throw new KataError('TASK_UNSUPPORTED', { action: 'checkpoint' })
  const task = tasks.get(id)
  // A save during a pause would resume the container, which would then count as paused. A save during an update would note a size that the
  // machine no longer has.
  while (task.altered !== undefined) await task.altered
  if (task.init.state !== 'running') throw wrongState('checkpoint', task.init)
  if (task.hasExecs)
    throw new KataError('CHECKPOINT_REFUSED', { id, reason: 'processes run in it that exec has started' })
  const ends = options?.typeUrl === optionsType && CheckpointOptions.decode(options.value).exit
  const givenUp = new AbortController()
  call?.onCancel((reason) => givenUp.abort(reason))
  await task.whileSaved(() => pod.save({ directory: path, ends, signal: givenUp.signal }), ends)
  return {}
}
