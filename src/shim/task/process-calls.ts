/** Calls about a process of a task: its init process for an empty `execId`, else an exec. */
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
  // A machine is saved without what exec has started: see checkpoint-task.ts. What is frozen while it is being started hangs there until the guest
  // gives it up, and may run once its container goes on.
  if (execId !== '') while (task.held !== undefined) await task.held
  // What runs or has ended is refused below, and gets no card by that.
  if (id === pod.id && execId === '' && process.isUntouched) await pod.attachLateNetwork()
  // One that was deleted meanwhile is not started.
  tasks.get(id)
  if (execId !== '') {
    checkTakesExecs(task)
    // The guest would refuse it, and what was refused once is never started.
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

/** An exec may be made, but not run, before its container is started. */
function checkTakesExecs({ init }: Task): void {
  if (init.state === 'stopped' || init.state === 'paused') throw wrongState('exec in', init)
}

/** What its client does not come back for is forgotten once it has ended. */
function forgetUnlessAskedFor(
  context: TaskContext,
  ids: DeleteRequest,
  process: TaskProcess,
  call: ExecCall | undefined,
): void {
  // One that cannot be seen, as in another pid namespace, may live.
  const client = call?.peer === undefined ? undefined : processRef(call.peer)
  const isLeft = () =>
    isForgotten(call?.metadata) || (isAttached(call?.metadata) && client !== undefined && !isAlive(client))
  void process.exited
    .then(() => (isLeft() ? deleteProcess(context, ids) : undefined))
    // With its container, or by another client.
    .catch((error) => context.log.debug('a process is forgotten already', { ...ids, error }))
}

/**
 * An exec that was not started takes no signal, as under runc: its client would start it later, and nobody would end it. SIGKILL for the init
 * process is sent by the guest to all that is in the container, `all` or not. Where none is left, all of them have it, as with runc. An exec is
 * meant alone, as with runc's shim. What its sender will not come back for is removed once it has ended.
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
  // What was never started ends with 128 more, without the kernel's being asked.
  if (signal > mostSignal) throw new KataError('SIGNAL_UNKNOWN', { signal })
  if (process !== task.init && process.isUntouched) throw wrongState('signal', process)
  if (isForgotten(call?.metadata)) forgetUnlessAskedFor(context, { id, execId }, process, call)
  if (all && process === task.init && process.state === 'stopped') return {}
  if (signal === SIGKILL && process === task.init) task.endIsNear()
  await process.signal(signal, all)
  return {}
}
