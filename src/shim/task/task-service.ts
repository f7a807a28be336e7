/**
 * The Task service (containerd.task.v2 and v3): the calls of containerd, or of our own command line, to the shim. One service has one pod and
 * its tasks. This file is its table of contents.
 */
import type { KataError } from '../../errors.ts'
import type { NetworkStats } from '../../protocol/generated/agent.ts'
import type * as api from '../../protocol/generated/containerd/task.ts'
import type { CallContext } from '../../ttrpc/ttrpc.ts'
import { exitFields, stateOf } from './answers.ts'
import { checkpointTask } from './checkpoint-task.ts'
import {
  networkStats,
  pauseTask,
  pidsOf,
  resumeTask,
  statsOf,
  taskPidOf,
  updateTask,
} from './container-calls.ts'
import { createTask } from './create-task.ts'
import { tellDeath } from './death.ts'
import { deleteProcess } from './delete-task.ts'
import { tellOomKill } from './oom.ts'
import { addExec, type ExecCall, killProcess, startProcess } from './process-calls.ts'
import { shutDown } from './shutdown.ts'
import type { TaskContext } from './task-context.ts'
import type { TaskProcess } from './task-process.ts'
import { type TaskRecords, TaskTable } from './task-table.ts'

export interface TaskServiceOptions extends Omit<TaskContext, 'tasks'> {
  readonly records: TaskRecords
}

export class TaskService {
  /** Settles when a client has asked for the end and no task is left. */
  readonly shutdownRequested: Promise<void>
  readonly #context: TaskContext
  readonly #requestShutdown: () => void
  readonly #shutdowns = new Set<Promise<unknown>>()

  constructor({ records, ...options }: TaskServiceOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.shutdownRequested = promise
    this.#requestShutdown = resolve
    this.#context = { ...options, tasks: new TaskTable(records) }
  }

  /** Whether there is no task, and none is being made. */
  get isIdle(): boolean {
    return this.#context.tasks.isEmpty && this.#context.pod.isUnmade
  }

  /** Whether no task has a process that runs or can still be started. Without a machine, none can. */
  get isOver(): boolean {
    const { tasks, pod } = this.#context
    return tasks.all.every(({ init }) => init.state === 'stopped' || (pod.over.aborted && init.isUntouched))
  }

  /** Whether there is a task with this id. */
  has(id: string): boolean {
    return this.#context.tasks.has(id)
  }

  /** To be called when the guest's kernel has killed a process of a container for want of memory. */
  oomKilled(id: string): void {
    tellOomKill(this.#context, id)
  }

  /** To be called when the machine has died, before its processes end. Never throws. */
  died(death: KataError): Promise<void> {
    return tellDeath(this.#context.tasks.all, death, this.#context)
  }

  /** Resolves once the logging programs of all started processes have ended. They end after the processes. */
  logged(): Promise<unknown> {
    return Promise.all(this.#context.tasks.all.map((task) => task.logged()))
  }

  create(
    request: api.CreateTaskRequest,
    call?: Pick<CallContext, 'onCancel' | 'peer'>,
  ): Promise<api.CreateTaskResponse> {
    return createTask(this.#context, request, call)
  }

  start(request: api.StartRequest): Promise<api.StartResponse> {
    return startProcess(this.#context, request)
  }

  exec(request: api.ExecProcessRequest, call?: ExecCall): Promise<object> {
    return addExec(this.#context, request, call)
  }

  async state({ id, execId }: api.StateRequest): Promise<api.StateResponse> {
    return stateOf(this.#context.tasks.get(id), execId)
  }

  async wait(request: api.WaitRequest, call?: Pick<CallContext, 'onCancel'>): Promise<api.WaitResponse> {
    return exitFields(await this.#process(request).wait(call))
  }

  kill(request: api.KillRequest, call?: ExecCall): Promise<object> {
    return killProcess(this.#context, request, call)
  }

  pause({ id }: api.PauseRequest): Promise<object> {
    return pauseTask(this.#context, id)
  }

  resume({ id }: api.ResumeRequest): Promise<object> {
    return resumeTask(this.#context, id)
  }

  async resizePty({ width, height, ...process }: api.ResizePtyRequest): Promise<object> {
    await this.#process(process).resize(height, width)
    return {}
  }

  async closeIO({ stdin, ...process }: api.CloseIORequest): Promise<object> {
    if (stdin) this.#process(process).closeInput()
    return {}
  }

  update(request: api.UpdateTaskRequest): Promise<object> {
    return updateTask(this.#context, request)
  }

  stats({ id }: api.StatsRequest): Promise<api.StatsResponse> {
    return statsOf(this.#context, id)
  }

  networkStats(): Promise<NetworkStats[]> {
    return networkStats(this.#context)
  }

  async pids({ id }: api.PidsRequest): Promise<api.PidsResponse> {
    return pidsOf(this.#context, id)
  }

  async connect({ id }: api.ConnectRequest): Promise<api.ConnectResponse> {
    return { shimPid: process.pid, taskPid: taskPidOf(this.#context, id), version: 'v2' }
  }

  delete(request: api.DeleteRequest): Promise<api.DeleteResponse> {
    return deleteProcess(this.#context, request)
  }

  shutdown({ now }: api.ShutdownRequest): Promise<object> {
    const answer = shutDown(this.#context, now, this.#requestShutdown)
    this.#shutdowns.add(answer)
    return answer.finally(() => this.#shutdowns.delete(answer))
  }

  /** Settles when every Shutdown has been answered. Several clients may ask, and the first one ends the shim. */
  async shutdownsAnswered(): Promise<void> {
    await Promise.allSettled(this.#shutdowns)
  }

  checkpoint(request: api.CheckpointTaskRequest, call?: Pick<CallContext, 'onCancel'>): Promise<object> {
    return checkpointTask(this.#context, request, call)
  }

  /** @throws KataError TASK_NOT_FOUND. */
  #process({ id, execId }: { id: string; execId: string }): TaskProcess {
    return this.#context.tasks.get(id).process(execId)
  }
}
