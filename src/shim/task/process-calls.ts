/** Calls about one process of a task: the init process if `execId` is empty, else an exec. */
import { isAttached, isForgotten } from '../../bundle/forgotten-exec.ts'
import { KataError } from '../../errors.ts'
import { isAlive, processRef } from '../../linux/processes/proc.ts'
import { mostSignal, SIGKILL } from '../../linux/processes/signal.ts'
import { unmetProfile } from '../../oci/guest/host-only.ts'
import { parseProcessText } from '../../oci/read-spec.ts'
import { checkProcessLimits } from '../../oci/spec-limits.ts'
import type {
  DeleteRequest,
  ExecProcessRequest,
  KillRequest,
  StartRequest,
  StartResponse,
} from '../../protocol/generated/containerd/task.ts'
import type { CallContext } from '../../ttrpc/ttrpc.ts'
import { wrongState } from './answers.ts'
import { textOf } from './any-text.ts'
import { warnOfUnmet } from './create-task.ts'
import { deleteProcess } from './delete-task.ts'
import { taskEvents } from './events.ts'
import { makeProcess, publishExit } from './make-process.ts'
import { checkStreams } from './open-streams.ts'
import type { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'
import type { TaskProcess } from './task-process.ts'

/** @throws KataError TASK_NOT_FOUND, TASK_STATE, those of the guest. */
export async function startProcess(
  { pod, tasks, events }: TaskContext,
  { id, execId }: StartRequest,
): Promise<StartResponse> {
  const task = tasks.get(id)
  const process = task.process(execId)
  // A saved machine must have no processes of exec (checkpoint-task.ts). In a paused container, starting an exec hangs until the guest gives it
  // up, and the process may still run after the container is resumed.
  if (execId !== '') while (task.held !== undefined) await task.held
  // A process that runs or has ended is refused below, and must not get a network card first.
  if (id === pod.id && execId === '' && process.isUntouched) await pod.attachLateNetwork()
  // The task may have been deleted meanwhile.
  tasks.get(id)
  if (execId !== '') {
    checkTakesExecs(task)
    // The guest would refuse the exec, and a process that was refused once can never be started.
    if (task.init.isUntouched) throw wrongState('exec in', task.init)
  }
  await process.start()
  const { pid } = task
  events.publish(
    execId === ''
      ? taskEvents.start({ containerId: id, pid })
      : taskEvents.execStarted({ containerId: id, execId, pid }),
  )
  return { pid }
}

export type ExecCall = Pick<CallContext, 'metadata' | 'peer'>

/** @throws KataError TASK_NOT_FOUND, TASK_EXISTS, TASK_STATE, those of the specification. */
export async function addExec(
  context: TaskContext,
  request: ExecProcessRequest,
  call?: ExecCall,
): Promise<object> {
  const { id, execId, stdin, stdout, stderr, terminal } = request
  const task = context.tasks.get(id)
  checkTakesExecs(task)
  const fields: string[] = []
  const spec = parseProcessText(textOf(request.spec), fields)
  checkProcessLimits(spec, id)
  warnOfUnmet([...fields, ...unmetProfile(spec, task.apparmorProfile)], id, context.log)
  checkStreams({ stdout, stderr })
  const process = makeProcess(context, {
    id: execId,
    stdio: { stdin, stdout, stderr, terminal, isAttached: isAttached(call?.metadata) },
    guest: task.container.exec(execId, { ...spec, terminal }),
    isExec: true,
  })
  task.addExec(execId, process)
  context.events.publish(taskEvents.execAdded({ containerId: id, execId }))
  publishExit(context, task, process)
  forgetUnlessAskedFor(context, { id, execId }, process, call)
  return {}
}

/** Refuses execs in a stopped or paused container. In a container that is not started yet an exec may be added, but not run. */
function checkTakesExecs({ init }: Task): void {
  if (init.state === 'stopped' || init.state === 'paused') throw wrongState('exec in', init)
}

/** Removes the exec when it ends, if its client will not do so. */
function forgetUnlessAskedFor(
  context: TaskContext,
  ids: DeleteRequest,
  process: TaskProcess,
  call: ExecCall | undefined,
): void {
  // A client that we cannot see, for instance in another pid namespace, may be alive.
  const client = call?.peer === undefined ? undefined : processRef(call.peer)
  const isLeft = () =>
    isForgotten(call?.metadata) || (isAttached(call?.metadata) && client !== undefined && !isAlive(client))
  void process.exited
    .then(() => (isLeft() ? deleteProcess(context, ids) : undefined))
    // The exec may have been removed with its container, or by another client.
    .catch((error) => context.log.debug('a process is forgotten already', { ...ids, error }))
}

/**
 * Sends a signal. An exec that was not started gets none, as under runc: its client could still start it, and nobody would end it. For SIGKILL
 * of the init process the guest kills all processes of the container, whatever `all` says; with a stopped init process, `all` still succeeds, as
 * with runc. SIGKILL of an exec kills only the exec, as with runc's shim. If the sender will not come back for the process, it is removed when
 * it ends.
 *
 * @throws KataError TASK_NOT_FOUND, SIGNAL_UNKNOWN, TASK_STATE, those of the guest.
 */
export async function killProcess(
  context: TaskContext,
  { id, execId, signal, all }: KillRequest,
  call?: ExecCall,
): Promise<object> {
  const task = context.tasks.get(id)
  const process = task.process(execId)
  // This check is needed because a process that was never started ends with 128 plus the signal, and the kernel does not see the number.
  if (signal > mostSignal) throw new KataError('SIGNAL_UNKNOWN', { signal })
  if (process !== task.init && process.isUntouched) throw wrongState('signal', process)
  if (isForgotten(call?.metadata)) forgetUnlessAskedFor(context, { id, execId }, process, call)
  if (all && process === task.init && process.state === 'stopped') return {}
  if (signal === SIGKILL && process === task.init) task.endIsNear()
  await process.signal(signal, all)
  return {}
}
