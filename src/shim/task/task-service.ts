/**
 * The Task service (containerd.task.v2 and v3): what containerd, and our own command line in its place, ask of the shim. One
 * service holds one pod and the tasks in it.
 */

import { markOomKilled } from '../../bundle/oom-killed.ts'
import { KataError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import { parseProcessText, parseResourcesText } from '../../oci/read-spec.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { checkProcessLimits, checkSpecLimits } from '../../oci/spec-limits.ts'
import { terminationMount } from '../../oci/termination-mount.ts'
import type { NetworkStats } from '../../protocol/generated/agent.ts'
import type * as api from '../../protocol/generated/containerd/task.ts'
import { Status } from '../../protocol/generated/containerd/types.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'
import type { Timestamp } from '../../protocol/generated/google/protobuf/timestamp.ts'
import { toTimestamp } from '../../protocol/timestamp.ts'
import type { ContainerRequest } from '../../sandbox/sandbox.ts'
import type { CallContext, TtrpcError } from '../../ttrpc/ttrpc.ts'
import { type KillLimits, killLimits } from '../daemon/after-kill.ts'
import type { Pod } from '../daemon/pod.ts'
import { toMetrics } from '../statistics/stats.ts'
import { tellDeath } from './death.ts'
import { type TaskEvent, taskEvents } from './events.ts'
import type { EventPublisher } from './publisher.ts'
import { Task } from './task.ts'
import { type TaskExit, TaskProcess, type TaskState } from './task-process.ts'

export interface TaskServiceOptions {
  readonly pod: Pod
  readonly events: EventPublisher
  readonly records: TaskRecords
  readonly log: Logger
  /** Adds to the specification of a container what its pod gives it. */
  readonly complete?: (spec: OciSpec) => OciSpec
  /**
   * Whether a client whose connection closed may come back and ask for what it had begun, as a containerd or CRI-O that is started
   * anew does; the command line does not. Docs/design/containerd.md. The command line tells the death of a machine itself, and gets none
   * of it in the streams of the containers.
   */
  readonly clientReturns: boolean
  readonly limits?: KillLimits
}

/** Lets others see which tasks there are. */
export interface TaskRecords {
  add(task: { id: string; bundle: string }): void
  remove(id: string): void
}

const sigkill = 9
/**
 * How long the execs of a container that has ended may take to be told as ended, milliseconds: they end with it, and once it
 * is removed, or its machine stopped, nobody knows how. Those of a pod that shares its processes may go on until then.
 */
const execsEndMs = 500

const statusOf: Record<TaskState, Status> = {
  created: Status.CREATED,
  running: Status.RUNNING,
  paused: Status.PAUSED,
  stopped: Status.STOPPED,
}

export class TaskService {
  /** Settles when the client asked for the end and no task is left. */
  readonly shutdownRequested: Promise<void>
  readonly #options: TaskServiceOptions
  readonly #requestShutdown: () => void
  readonly #tasks = new Map<string, Task>()

  constructor(options: TaskServiceOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.shutdownRequested = promise
    this.#requestShutdown = resolve
    this.#options = options
  }

  /** Whether there is no task, and none being made. */
  get isIdle(): boolean {
    return this.#tasks.size === 0 && this.#pod.isUnmade
  }

  /** Whether no process of a task runs any more, nor waits to be started. */
  get isOver(): boolean {
    return [...this.#tasks.values()].every(({ init }) => init.state === 'stopped')
  }

  /** Whether there is a task of this id. */
  has(id: string): boolean {
    return this.#tasks.has(id)
  }

  /** To be told when the guest's kernel killed a process of a container. Of a container that is none of ours, nothing is noted. */
  oomKilled(id: string): void {
    const task = this.#tasks.get(id)
    if (task === undefined) return
    try {
      markOomKilled(task.bundle)
    } catch (error) {
      this.#options.log.warn('a mark of what was killed for want of memory', { id, error })
    }
    this.#publish(taskEvents.oom({ containerId: id }))
  }

  /** To be told when the machine died, before its processes end. Never throws. */
  async died(death: KataError): Promise<void> {
    await tellDeath([...this.#tasks.values()], death, this.#options)
  }

  async create(
    request: api.CreateTaskRequest,
    context?: Pick<CallContext, 'onCancel'>,
  ): Promise<api.CreateTaskResponse> {
    const { id, bundle, rootfs, stdin, stdout, stderr, terminal, checkpoint } = request
    if (this.#tasks.has(id)) throw new KataError('TASK_EXISTS', { id })
    const asked = this.#read({ id, bundle, rootfs })
    if (id === this.#pod.id) context?.onCancel((reason) => this.#giveUp(reason))
    const sandbox = await this.#pod.sandboxFor(request, asked)
    try {
      const container = await sandbox.createContainer(asked)
      const tellsDeath = this.#options.clientReturns
      const init = this.#process(id, { stdin, stdout, stderr, terminal }, container.init, tellsDeath)
      this.#options.records.add({ id, bundle })
      const terminationFile = terminationMount(asked.spec)?.source
      const task = new Task({ id, bundle, container, init, terminationFile })
      this.#tasks.set(id, task)
      this.#publish(
        taskEvents.create({ containerId: id, bundle, rootfs, io: init.stdio, checkpoint, pid: task.pid }),
      )
      this.#tellExit(task, init)
      // The pod ends with its own container, and not with any other.
      if (id === this.#pod.id)
        void init.exited.then(() => task.execsOver(execsEndMs)).then(() => this.#pod.stopAnyway())
      return { pid: task.pid }
    } catch (failure) {
      const error = this.#pod.givenUp ?? failure
      // A sandbox without its first container is of no use to anybody.
      if (this.#tasks.size === 0 && !this.#pod.standsAlone) await this.#pod.stopAnyway()
      throw error
    }
  }

  /** Nobody waits for the pod's start any more. */
  #giveUp({ code }: TtrpcError): void {
    const isLate = code === 'deadline_exceeded'
    if (isLate) void this.#pod.stopAnyway('its client’s time for it is over')
    else if (!this.#options.clientReturns) void this.#pod.stopAnyway('its client went away')
  }

  async start({ id, execId }: api.StartRequest): Promise<api.StartResponse> {
    const task = this.#task(id)
    const process = task.process(execId)
    if (id === this.#pod.id && execId === '') await this.#pod.attachLateNetwork()
    await process.start()
    const { pid } = task
    this.#publish(
      execId === ''
        ? taskEvents.start({ containerId: id, pid })
        : taskEvents.execStarted({ containerId: id, execId, pid }),
    )
    return { pid }
  }

  async exec(request: api.ExecProcessRequest): Promise<object> {
    const { id, execId, stdin, stdout, stderr, terminal } = request
    const task = this.#task(id)
    if (task.init.state === 'stopped') throw notRunning('exec in', task)
    const spec = parseProcessText(textOf(request.spec))
    checkProcessLimits(spec, id)
    const guest = task.container.exec(execId, { ...spec, terminal })
    const process = this.#process(execId, { stdin, stdout, stderr, terminal }, guest)
    task.addExec(execId, process)
    this.#publish(taskEvents.execAdded({ containerId: id, execId }))
    this.#tellExit(task, process)
    return {}
  }

  async state({ id, execId }: api.StateRequest): Promise<api.StateResponse> {
    const task = this.#task(id)
    const process = task.process(execId)
    const { stdin, stdout, stderr, terminal } = process.stdio
    return {
      ...{ id, execId, bundle: task.bundle, pid: task.pid, status: statusOf[process.state] },
      ...{ stdin, stdout, stderr, terminal },
      ...exitFields(process.exit),
    }
  }

  async wait({ id, execId }: api.WaitRequest): Promise<api.WaitResponse> {
    return exitFields(await this.#task(id).process(execId).exited)
  }

  async kill({ id, execId, signal, all }: api.KillRequest): Promise<object> {
    const task = this.#task(id)
    // The guest sends what the init process gets of SIGKILL to all that is in the container.
    const process = all ? task.init : task.process(execId)
    if (signal === sigkill && process === task.init) task.endIsNear()
    await process.signal(signal)
    return {}
  }

  async pause({ id }: api.PauseRequest): Promise<object> {
    const task = this.#task(id)
    if (task.init.state !== 'running') throw notRunning('pause', task)
    await task.container.pause()
    task.init.state = 'paused'
    this.#publish(taskEvents.paused({ containerId: id }))
    return {}
  }

  async resume({ id }: api.ResumeRequest): Promise<object> {
    const task = this.#task(id)
    if (task.init.state !== 'paused') throw notRunning('resume', task)
    await task.container.resume()
    task.init.state = 'running'
    this.#publish(taskEvents.resumed({ containerId: id }))
    return {}
  }

  async resizePty({ id, execId, width, height }: api.ResizePtyRequest): Promise<object> {
    await this.#task(id).process(execId).resize(height, width)
    return {}
  }

  async closeIO({ id, execId, stdin }: api.CloseIORequest): Promise<object> {
    if (stdin) this.#task(id).process(execId).closeInput()
    return {}
  }

  async update({ id, resources }: api.UpdateTaskRequest): Promise<object> {
    await this.#task(id).container.update(parseResourcesText(textOf(resources)))
    return {}
  }

  async stats({ id }: api.StatsRequest): Promise<api.StatsResponse> {
    return { stats: toMetrics(await this.#task(id).container.stats()) }
  }

  /** Of the pod's interfaces, as any of its containers has them; none while none runs. */
  async networkStats(): Promise<NetworkStats[]> {
    const running = [...this.#tasks.values()].find(({ init }) => init.state === 'running')
    return (await running?.container.stats())?.networkStats ?? []
  }

  /** Processes of the guest have no pid on the host: what runs there for the task is the VMM. */
  async pids({ id }: api.PidsRequest): Promise<api.PidsResponse> {
    this.#task(id)
    return { processes: [{ pid: this.#pod.pid, info: undefined }] }
  }

  async connect({ id }: api.ConnectRequest): Promise<api.ConnectResponse> {
    return { shimPid: process.pid, taskPid: this.#tasks.get(id)?.pid ?? this.#pod.pid, version: 'v2' }
  }

  /**
   * Ends the record of a stopped process; for the sandbox's own container only once everything is released.
   *
   * @throws KataError TASK_NOT_FOUND, TASK_STATE; RELEASE_FAILED for the sandbox's own container, which is gone all the same:
   *   a client that asks again gets TASK_NOT_FOUND and goes on to Shutdown.
   */
  async delete({ id, execId }: api.DeleteRequest): Promise<api.DeleteResponse> {
    const task = this.#task(id)
    const process = task.process(execId)
    if (process.state !== 'stopped' && process.state !== 'created') {
      throw new KataError('TASK_STATE', { action: 'delete', id: process.id, state: process.state })
    }
    const answer = { pid: task.pid, ...exitFields(process.exit) }
    if (execId !== '') task.removeExec(execId)
    else {
      // A task whose removal leaves something is none any more, either.
      await this.#remove(task).finally(() =>
        this.#publish(taskEvents.delete({ containerId: id, id: '', ...answer })),
      )
    }
    return answer
  }

  /**
   * Asked after every task; the shim of a pod goes on while another one is left, or the pod stands alone.
   *
   * @throws KataError RELEASE_FAILED. The shim ends all the same, so that `delete` and `gc` may release what is left.
   */
  async shutdown({ now }: api.ShutdownRequest): Promise<object> {
    if ((this.#tasks.size > 0 || this.#pod.standsAlone) && !now) return {}
    try {
      await this.#pod.stop()
    } finally {
      this.#requestShutdown()
    }
    return {}
  }

  async checkpoint(): Promise<never> {
    throw new KataError('TASK_UNSUPPORTED', { action: 'checkpoint' })
  }

  /** The door of a container's specification: behind it nothing looks at its JSON again. */
  #read({ id, bundle, rootfs }: Omit<ContainerRequest, 'spec' | 'rights'>): ContainerRequest {
    const fields: string[] = []
    const { complete = (spec: OciSpec) => spec } = this.#options
    const spec = complete(readBundleSpec(bundle, fields))
    checkSpecLimits(spec, id)
    if (fields.length > 0)
      this.#options.log.warn('a container in a machine does not get these fields of its specification', {
        container: id,
        fields,
      })
    return { id, spec, rights: deviceRights(spec), bundle, rootfs }
  }

  async #remove(task: Task): Promise<void> {
    this.#tasks.delete(task.id)
    this.#options.records.remove(task.id)
    // Nothing of a container is left once its machine has gone.
    if (task.id === this.#pod.id) await this.#pod.stop()
    else if (this.#pod.isStopping) await this.#pod.stopAnyway()
    else {
      await task.execsOver(execsEndMs)
      await task.container.remove()
    }
  }

  /** A process that never came to run has no end that anybody waits for. */
  #tellExit({ id: containerId, pid }: Task, process: TaskProcess): void {
    void process.exited.then((exit) => {
      if (process.failedToStart) return
      this.#publish(taskEvents.exit({ containerId, id: process.id, pid, ...exitFields(exit) }))
    })
  }

  #publish(event: TaskEvent): void {
    this.#options.events.publish(event)
  }

  #process(
    id: string,
    stdio: TaskProcess['stdio'],
    guest: TaskProcess['guest'],
    tellsDeath = false,
  ): TaskProcess {
    const pod = this.#pod
    const { limits = killLimits, log } = this.#options
    return new TaskProcess({
      ...{ id, stdio, guest, tellsDeath, limits, lost: pod.over, log },
      onSurvived: () => pod.condemn(`its guest did not end ${id} within ${limits.endMs / 1000} s of SIGKILL`),
      heldUp: () => pod.heldUp,
    })
  }

  #task(id: string): Task {
    const task = this.#tasks.get(id)
    if (task === undefined) throw new KataError('TASK_NOT_FOUND', { id: `task ${id}` })
    return task
  }

  get #pod(): Pod {
    return this.#options.pod
  }
}

function exitFields(exit: TaskExit | undefined): { exitStatus: number; exitedAt: Timestamp | undefined } {
  return { exitStatus: exit?.status ?? 0, exitedAt: exit === undefined ? undefined : toTimestamp(exit.at) }
}

/** OCI JSON inside an Any, as containerd sends it. */
const textOf = (any: Any | undefined): string => new TextDecoder().decode(any?.value)

function notRunning(action: string, task: Task): KataError {
  return new KataError('TASK_STATE', { action, id: task.id, state: task.init.state })
}
