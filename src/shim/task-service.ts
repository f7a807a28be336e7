/**
 * The Task service (containerd.task.v2): what containerd, and our own command line in its place, ask of the shim. One
 * service holds one sandbox, made by the first Create, and the tasks in it.
 */
import { describeError, KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type * as api from '../protocol/generated/containerd/task.ts'
import { Status } from '../protocol/generated/containerd/types.ts'
import type { Any } from '../protocol/generated/google/protobuf/any.ts'
import type { Timestamp } from '../protocol/generated/google/protobuf/timestamp.ts'
import type { OciSpec } from '../sandbox/oci.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { readBundleSpec } from './bundle.ts'
import { toMetrics } from './stats.ts'
import { Task } from './task.ts'
import { type TaskExit, TaskProcess, type TaskState } from './task-process.ts'

export interface TaskServiceOptions {
  readonly sandboxId: string
  /** Makes the sandbox from the bundle of its first task. */
  createSandbox(request: api.CreateTaskRequest, spec: OciSpec): Promise<Sandbox>
  /** Told once, when the machine died under its tasks. */
  onSandboxDied(error: KataError): void
  readonly log: Logger
}

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
  #creating: Promise<Sandbox> | undefined
  #sandbox: Sandbox | undefined
  #stopping: Promise<void> | undefined

  constructor(options: TaskServiceOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.shutdownRequested = promise
    this.#requestShutdown = resolve
    this.#options = options
  }

  /** Whether there is no task, and none being made. */
  get isIdle(): boolean {
    return this.#tasks.size === 0 && this.#creating === undefined
  }

  async create(request: api.CreateTaskRequest): Promise<api.CreateTaskResponse> {
    if (this.#tasks.has(request.id)) throw new KataError('TASK_EXISTS', { id: request.id })
    const spec = readBundleSpec(request.bundle) as OciSpec
    const sandbox = await this.#sandboxFor(request, spec)
    try {
      const container = await sandbox.createContainer({ id: request.id, spec, rootfs: request.rootfs })
      const { stdin, stdout, stderr, terminal } = request
      const init = this.#process(request.id, { stdin, stdout, stderr, terminal }, container.init)
      this.#tasks.set(request.id, new Task({ id: request.id, bundle: request.bundle, container, init }))
      if (request.id === this.#options.sandboxId) void init.exited.then(() => this.stopSandbox())
      return { pid: sandbox.vmmPid }
    } catch (error) {
      // A sandbox without its first container is of no use to anybody.
      if (this.#tasks.size === 0) await this.stopSandbox()
      throw error
    }
  }

  async start({ id, execId }: api.StartRequest): Promise<api.StartResponse> {
    await this.#task(id).process(execId).start()
    return { pid: this.#pid }
  }

  async exec(request: api.ExecProcessRequest): Promise<object> {
    const task = this.#task(request.id)
    if (task.init.state === 'stopped') throw notRunning('exec in', task)
    const process = parseJson(request.spec, 'process')
    const { stdin, stdout, stderr, terminal } = request
    const guest = task.container.exec(request.execId, { ...process, terminal })
    task.addExec(request.execId, this.#process(request.execId, { stdin, stdout, stderr, terminal }, guest))
    return {}
  }

  async state({ id, execId }: api.StateRequest): Promise<api.StateResponse> {
    const task = this.#task(id)
    const process = task.process(execId)
    const { stdin, stdout, stderr, terminal } = process.stdio
    return {
      ...{ id, execId, bundle: task.bundle, pid: this.#pid, status: statusOf[process.state] },
      ...{ stdin, stdout, stderr, terminal },
      ...exitFields(process.exit),
    }
  }

  async wait({ id, execId }: api.WaitRequest): Promise<api.WaitResponse> {
    return exitFields(await this.#task(id).process(execId).exited)
  }

  async kill({ id, execId, signal, all }: api.KillRequest): Promise<object> {
    const task = this.#task(id)
    if (all && task.init.state !== 'created' && task.init.state !== 'stopped')
      await task.container.signalAll(signal)
    else await task.process(execId).signal(signal)
    return {}
  }

  async pause({ id }: api.PauseRequest): Promise<object> {
    const task = this.#task(id)
    if (task.init.state !== 'running') throw notRunning('pause', task)
    await task.container.pause()
    task.init.state = 'paused'
    return {}
  }

  async resume({ id }: api.ResumeRequest): Promise<object> {
    const task = this.#task(id)
    if (task.init.state !== 'paused') throw notRunning('resume', task)
    await task.container.resume()
    task.init.state = 'running'
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
    await this.#task(id).container.update(parseJson(resources, 'resources'))
    return {}
  }

  async stats({ id }: api.StatsRequest): Promise<api.StatsResponse> {
    return { stats: toMetrics(await this.#task(id).container.stats()) }
  }

  /** Processes of the guest have no pid on the host: what runs there for the task is the VMM. */
  async pids({ id }: api.PidsRequest): Promise<api.PidsResponse> {
    this.#task(id)
    return { processes: [{ pid: this.#pid, info: undefined }] }
  }

  async connect(_request: api.ConnectRequest): Promise<api.ConnectResponse> {
    return { shimPid: process.pid, taskPid: this.#pid, version: 'v2' }
  }

  /** Ends the record of a stopped process; for the sandbox's own container only once everything is released. */
  async delete({ id, execId }: api.DeleteRequest): Promise<api.DeleteResponse> {
    const task = this.#task(id)
    const process = task.process(execId)
    if (process.state !== 'stopped' && process.state !== 'created') {
      throw new KataError('TASK_STATE', { action: 'delete', id: process.id, state: process.state })
    }
    const pid = this.#pid
    if (execId !== '') task.removeExec(execId)
    else {
      this.#tasks.delete(id)
      if (id === this.#options.sandboxId) await this.stopSandbox()
      else await task.container.remove()
    }
    return { pid, ...exitFields(process.exit) }
  }

  async shutdown({ now }: api.ShutdownRequest): Promise<object> {
    if (this.#tasks.size === 0 || now) {
      await this.stopSandbox()
      this.#requestShutdown()
    }
    return {}
  }

  async checkpoint(): Promise<never> {
    throw new KataError('TASK_UNSUPPORTED', { action: 'checkpoint' })
  }

  /** Ends the machine and releases all it held; every caller waits for the same, one teardown. */
  stopSandbox(): Promise<void> {
    this.#stopping ??= this.#creating?.then((sandbox) => sandbox.stop()).catch(() => {}) ?? Promise.resolve()
    return this.#stopping
  }

  #sandboxFor(request: api.CreateTaskRequest, spec: OciSpec): Promise<Sandbox> {
    this.#creating ??= this.#options.createSandbox(request, spec).then((sandbox) => {
      this.#sandbox = sandbox
      void sandbox.died.then((error) => {
        this.#options.onSandboxDied(error)
        return this.stopSandbox()
      })
      return sandbox
    })
    // A sandbox that could not be made holds nothing; the next Create may try anew.
    this.#creating.catch(() => {
      this.#creating = undefined
    })
    return this.#creating
  }

  #process(id: string, stdio: TaskProcess['stdio'], guest: TaskProcess['guest']): TaskProcess {
    const lost = this.#sandbox?.died ?? new Promise<never>(() => {})
    return new TaskProcess({ id, stdio, guest, lost, log: this.#options.log })
  }

  #task(id: string): Task {
    const task = this.#tasks.get(id)
    if (task === undefined) throw new KataError('TASK_NOT_FOUND', { id: `task ${id}` })
    return task
  }

  get #pid(): number {
    return this.#sandbox?.vmmPid ?? process.pid
  }
}

function exitFields(exit: TaskExit | undefined): { exitStatus: number; exitedAt: Timestamp | undefined } {
  return { exitStatus: exit?.status ?? 0, exitedAt: exit === undefined ? undefined : toTimestamp(exit.at) }
}

export function toTimestamp(date: Date): Timestamp {
  const ms = date.getTime()
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 }
}

/** OCI JSON inside an Any, as containerd sends it. @throws KataError OCI_SPEC_INVALID naming `what` it should be. */
function parseJson(any: Any | undefined, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(any?.value))
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
    throw new Error(typeof value)
  } catch (cause) {
    const found = describeError(cause).slice(0, 80)
    throw new KataError('OCI_SPEC_INVALID', { found, path: what, expected: 'an object in JSON' }, { cause })
  }
}

function notRunning(action: string, task: Task): KataError {
  return new KataError('TASK_STATE', { action, id: task.id, state: task.init.state })
}
