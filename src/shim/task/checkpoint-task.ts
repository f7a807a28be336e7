/** Checkpoint: saves the machine of a task. With the option `exit` the task ends by it, and can go on from there once. */
import { KataError } from '../../errors.ts'
import { CheckpointOptions } from '../../protocol/generated/containerd/runc_options.ts'
import type { CheckpointTaskRequest } from '../../protocol/generated/containerd/task.ts'
import type { CallContext } from '../../ttrpc/ttrpc.ts'
import { wrongState } from './answers.ts'
import type { TaskContext } from './task-context.ts'

const optionsType = 'containerd.runc.v1.CheckpointOptions'

/**
 * A client that goes away before it is saved has no use for it, and nobody would come for what was saved: the container goes on then.
 *
 * @throws KataError TASK_NOT_FOUND, TASK_STATE, TASK_UNSUPPORTED for containerd, CHECKPOINT_REFUSED, and those of the pod's `save`.
 */
export async function checkpointTask(
  { pod, tasks, clientReturns }: TaskContext,
  { id, path, options }: CheckpointTaskRequest,
  call?: Pick<CallContext, 'onCancel'>,
): Promise<object> {
  // Its root file systems are no disks that could be saved, and it would take what is in the directory for an image of CRIU.
  if (clientReturns) throw new KataError('TASK_UNSUPPORTED', { action: 'checkpoint' })
  const task = tasks.get(id)
  // It would let go on what is about to be paused, and be taken for paused; and it could not go on in a machine of the size that is noted.
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
