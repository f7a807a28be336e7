/** Calls about a container as a whole. */
import { parseResourcesText } from '../../oci/read-spec.ts'
import type { NetworkStats } from '../../protocol/generated/agent.ts'
import type {
  PidsResponse,
  StatsResponse,
  UpdateTaskRequest,
} from '../../protocol/generated/containerd/task.ts'
import { toMetrics } from '../statistics/stats.ts'
import { wrongState } from './answers.ts'
import { textOf } from './any-text.ts'
import { taskEvents } from './events.ts'
import type { TaskContext } from './task-context.ts'

/** @throws KataError TASK_NOT_FOUND; TASK_STATE when it does not run. */
export async function pauseTask({ tasks, events }: TaskContext, id: string): Promise<object> {
  const { init, container } = tasks.get(id)
  if (init.state !== 'running') throw wrongState('pause', init)
  await container.pause()
  init.state = 'paused'
  events.publish(taskEvents.paused({ containerId: id }))
  return {}
}

/** @throws KataError TASK_NOT_FOUND; TASK_STATE when it is not paused. */
export async function resumeTask({ tasks, events }: TaskContext, id: string): Promise<object> {
  const { init, container } = tasks.get(id)
  if (init.state !== 'paused') throw wrongState('resume', init)
  await container.resume()
  init.state = 'running'
  events.publish(taskEvents.resumed({ containerId: id }))
  return {}
}

/** @throws KataError TASK_NOT_FOUND, those of the resources. */
export async function updateTask(
  { tasks }: TaskContext,
  { id, resources }: UpdateTaskRequest,
): Promise<object> {
  await tasks.get(id).container.update(parseResourcesText(textOf(resources)))
  return {}
}

/** @throws KataError TASK_NOT_FOUND. */
export async function statsOf({ tasks }: TaskContext, id: string): Promise<StatsResponse> {
  return { stats: toMetrics(await tasks.get(id).container.stats()) }
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

/** Statistics of the pod's interfaces, as any of its containers has them; none while none runs. */
export async function networkStats({ tasks }: TaskContext): Promise<NetworkStats[]> {
  const running = tasks.all.find(({ init }) => init.state === 'running')
  return (await running?.container.stats())?.networkStats ?? []
}
