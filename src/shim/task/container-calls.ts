/** Calls about a container as a whole. */
import { KataError } from '../../errors.ts'
import { unmetLimits } from '../../oci/guest/host-only.ts'
import { parseResourcesText } from '../../oci/read-spec.ts'
import type { NetworkStats } from '../../protocol/generated/agent.ts'
import type {
  PidsResponse,
  StatsResponse,
  UpdateTaskRequest,
} from '../../protocol/generated/containerd/task.ts'
import { within } from '../../time.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import { toMetrics } from '../statistics/stats.ts'
import { wrongState } from './answers.ts'
import { textOf } from './any-text.ts'
import { warnOfUnmet } from './create-task.ts'
import { taskEvents } from './events.ts'
import type { TaskContext } from './task-context.ts'
import type { TaskProcess, TaskState } from './task-process.ts'

/** The default of {@link TaskContext.execsStartMs}, milliseconds. The command line waits 10 s for a pause, and the guest needs part of that. */
const usualExecsStartMs = 5000

/** @throws KataError TASK_NOT_FOUND; TASK_STATE if the container does not run, ends meanwhile, or takes too long to start a process. */
export async function pauseTask(
  { tasks, events, execsStartMs = usualExecsStartMs }: TaskContext,
  id: string,
): Promise<object> {
  const task = tasks.get(id)
  const { init, container } = task
  // A save ends with the container running again.
  while (task.saved !== undefined) await task.saved
  const pausing = { action: 'pause', from: 'running', to: 'paused' } as const
  // Execs that begin from here on wait until the pause is done.
  await task.whileChanged(async () => {
    const starting = task.execsStarting
    if (starting !== undefined && (await within(starting, execsStartMs)) === undefined)
      throw new KataError('TASK_STATE', { action: 'pause', id, state: 'starting a process' })
    await change(init, pausing, () => container.pause())
  })
  events.publish(taskEvents.paused({ containerId: id }))
  return {}
}

/** @throws KataError TASK_NOT_FOUND; TASK_STATE if the container is not paused, or ends meanwhile. */
export async function resumeTask({ tasks, events }: TaskContext, id: string): Promise<object> {
  const task = tasks.get(id)
  const { init, container } = task
  // The action has the command line's name for it. `resume` is another command, which continues a saved machine.
  const resuming = { action: 'unpause', from: 'paused', to: 'running' } as const
  await task.whileChanged(() => change(init, resuming, () => container.resume()))
  events.publish(taskEvents.resumed({ containerId: id }))
  return {}
}

/** Sets the state once the guest has changed it. The process may end meanwhile, and then stays stopped. @throws KataError TASK_STATE. */
async function change(
  process: TaskProcess,
  { action, from, to }: { action: string; from: TaskState; to: TaskState },
  ask: () => Promise<void>,
): Promise<void> {
  if (process.state !== from) throw wrongState(action, process)
  await ask()
  if (process.state !== from) throw wrongState(action, process)
  process.state = to
}

/**
 * @throws KataError TASK_NOT_FOUND; TASK_STATE if the container has ended, because resizing its machine would be useless; those of the
 *   resources.
 */
export async function updateTask(
  { tasks, log }: TaskContext,
  { id, resources }: UpdateTaskRequest,
): Promise<object> {
  const fields: string[] = []
  const limits = parseResourcesText(textOf(resources), fields)
  warnOfUnmet([...fields, ...unmetLimits(limits)], id, log)
  const task = tasks.get(id)
  // A save has noted the machine's size, which must not change before it is done.
  while (task.saved !== undefined) await task.saved
  if (task.init.state === 'stopped') throw wrongState('update', task.init)
  await task.whileUpdated(() => task.container.update(limits))
  return {}
}

/** @throws KataError TASK_NOT_FOUND. */
export async function statsOf({ tasks }: TaskContext, id: string): Promise<StatsResponse> {
  return { stats: await toMetrics(await tasks.get(id).container.stats()) }
}

/**
 * The VMM's pid stands for all of the task's processes, because processes of the guest have no pid on the host. @throws KataError
 * TASK_NOT_FOUND.
 */
export function pidsOf({ tasks, pod }: TaskContext, id: string): PidsResponse {
  tasks.get(id)
  return { processes: [{ pid: pod.pid, info: undefined }] }
}

/** The pid of the task, or the pod's if there is no such task. */
export function taskPidOf({ tasks, pod }: TaskContext, id: string): number {
  return tasks.has(id) ? tasks.get(id).pid : pod.pid
}

/**
 * Statistics of the pod's interfaces, which are the same for all of its containers. Empty if no container runs, or the guest refuses to tell:
 * the host must be able to report the pod's other usage without the guest.
 *
 * @throws KataError SANDBOX_DIED, AGENT_DIED.
 */
export async function networkStats({ tasks }: TaskContext): Promise<NetworkStats[]> {
  const running = tasks.all.find(({ init }) => init.state === 'running')
  try {
    return (await running?.container.stats())?.networkStats ?? []
  } catch (error) {
    if (error instanceof TtrpcError) return []
    throw error
  }
}
