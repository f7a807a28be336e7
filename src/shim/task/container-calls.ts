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

/** The default of {@link TaskContext.execsStartMs}: the command line waits 10 s for a pause, and the guest has its part of that. */
const usualExecsStartMs = 5000

/** @throws KataError TASK_NOT_FOUND; TASK_STATE when it does not run, ends meanwhile, or starts a process for long. */
export async function pauseTask(
  { tasks, events, execsStartMs = usualExecsStartMs }: TaskContext,
  id: string,
): Promise<object> {
  const task = tasks.get(id)
  const { init, container } = task
  // A save ends with the container running.
  while (task.saved !== undefined) await task.saved
  const pausing = { action: 'pause', from: 'running', to: 'paused' } as const
  // Those that begin meanwhile wait for the change.
  await task.whileChanged(async () => {
    const starting = task.execsStarting
    if (starting !== undefined && (await within(starting, execsStartMs)) === undefined)
      throw new KataError('TASK_STATE', { action: 'pause', id, state: 'starting a process' })
    await change(init, pausing, () => container.pause())
  })
  events.publish(taskEvents.paused({ containerId: id }))
  return {}
}

/** @throws KataError TASK_NOT_FOUND; TASK_STATE when it is not paused, or ends meanwhile. */
export async function resumeTask({ tasks, events }: TaskContext, id: string): Promise<object> {
  const task = tasks.get(id)
  const { init, container } = task
  // The command line's word: its `resume` continues a saved machine.
  const resuming = { action: 'unpause', from: 'paused', to: 'running' } as const
  await task.whileChanged(() => change(init, resuming, () => container.resume()))
  events.publish(taskEvents.resumed({ containerId: id }))
  return {}
}

/** A process may end while the guest is asked, and what has ended has no other state any more. */
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

/** @throws KataError TASK_NOT_FOUND, TASK_STATE when it has ended: its machine would be resized for nothing; those of the resources. */
export async function updateTask(
  { tasks, log }: TaskContext,
  { id, resources }: UpdateTaskRequest,
): Promise<object> {
  const fields: string[] = []
  const limits = parseResourcesText(textOf(resources), fields)
  warnOfUnmet([...fields, ...unmetLimits(limits)], id, log)
  const task = tasks.get(id)
  // What is saved has the size that was looked at before.
  while (task.saved !== undefined) await task.saved
  if (task.init.state === 'stopped') throw wrongState('update', task.init)
  await task.whileUpdated(() => task.container.update(limits))
  return {}
}

/** @throws KataError TASK_NOT_FOUND. */
export async function statsOf({ tasks }: TaskContext, id: string): Promise<StatsResponse> {
  return { stats: await toMetrics(await tasks.get(id).container.stats()) }
}

/** Processes of the guest have no pid on the host: what runs there for the task is the VMM. @throws KataError TASK_NOT_FOUND. */
export function pidsOf({ tasks, pod }: TaskContext, id: string): PidsResponse {
  tasks.get(id)
  return { processes: [{ pid: pod.pid, info: undefined }] }
}

/** The pid of a task, or that of the pod when there is none of this id. */
export function taskPidOf({ tasks, pod }: TaskContext, id: string): number {
  return tasks.has(id) ? tasks.get(id).pid : pod.pid
}

/**
 * Statistics of the pod's interfaces, as any of its containers has them; none while none runs, and where the guest does not tell: what the pod
 * costs the host is no secret of the guest's.
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
