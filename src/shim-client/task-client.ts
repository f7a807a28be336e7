/** The Task service of one container's shim, with the deadline of each call. */
import { CheckpointOptions } from '../protocol/generated/containerd/runc_options.ts'
import {
  type ConnectResponse,
  type CreateTaskRequest,
  type DeleteResponse,
  type ExecProcessRequest,
  type StateResponse,
  TaskDefinition,
} from '../protocol/generated/containerd/task.ts'
import type { ProcessInfo } from '../protocol/generated/containerd/types.ts'
import type { Any } from '../protocol/generated/google/protobuf/any.ts'
import { sleep } from '../time.ts'
import {
  type CancelSignal,
  type Client,
  type ClientConnection,
  connect,
  createClient,
  type Transport,
  TtrpcError,
} from '../ttrpc/ttrpc.ts'

/** Outer bounds: the shim has its own, tighter deadlines for what it does inside each call. */
const deadlines: Readonly<Record<string, number | undefined>> = {
  // How long a machine may take to boot is in the shim's own configuration: see `#whileItAnswers`.
  Create: undefined,
  Start: undefined,
  Checkpoint: undefined,
  Exec: 60_000,
  Update: 60_000,
  // A guest may take a minute to write back its disks.
  Delete: 120_000,
  // The life of a process has no bound; the end of the connection ends the call.
  Wait: undefined,
}
const shortDeadline = 10_000
const usualPatienceMs = 300_000
const checkpointOptionsType = 'containerd.runc.v1.CheckpointOptions'
const resourcesType = 'types.containerd.io/opencontainers/runtime-spec/1/LinuxResources'

export interface TaskOptions {
  /** containerd's namespace of the container. */
  readonly namespace: string
  /** The container. */
  readonly id: string
  /** Sent with every call, beside the namespace. */
  readonly metadata?: Readonly<Record<string, string>>
  /** What a call throws instead of a TtrpcError. `method` is the name on the wire: `Create`. */
  readonly toError?: (error: TtrpcError, method: string) => Error
  /** After how many milliseconds of a `create` or `start`, and again and again, the shim has to answer another call; default 300 000. */
  readonly patienceMs?: number
}

/**
 * All methods @throws TtrpcError, or what `toError` makes of it: what the shim answered, `deadline_exceeded`, and `unavailable` once the
 * connection is over. `execId` is empty for the container's main process.
 */
export class TaskClient {
  readonly #options: TaskOptions
  readonly #connection: ClientConnection
  readonly #calls: Client<TaskDefinition>

  /** Takes the transport, which is this client's from now on. */
  constructor(transport: Transport, options: TaskOptions) {
    this.#options = options
    this.#connection = connect(transport)
    this.#calls = createClient(TaskDefinition, this.#connection, {
      timeoutMs: (method) => (method in deadlines ? deadlines[method] : shortDeadline),
      metadata: { 'containerd-namespace-ttrpc': options.namespace, ...options.metadata },
    })
  }

  /** Makes the container of its bundle. The streams are paths of FIFOs, or empty. As long as the shim answers. */
  async create(request: Omit<Partial<CreateTaskRequest>, 'id'>): Promise<void> {
    const create = (signal: CancelSignal) => this.#calls.create({ ...request, id: this.#id }, { signal })
    await this.#ask('Create', this.#whileItAnswers(create))
  }

  /** Adds a process, which `start` starts. `spec` is an OCI `process` as JSON. Within 60 s. */
  async exec(request: Omit<Partial<ExecProcessRequest>, 'id'>): Promise<void> {
    await this.#ask('Exec', this.#calls.exec({ ...request, id: this.#id }))
  }

  /** As long as the shim answers. */
  async start(execId = ''): Promise<void> {
    const start = (signal: CancelSignal) => this.#calls.start({ id: this.#id, execId }, { signal })
    await this.#ask('Start', this.#whileItAnswers(start))
  }

  /** The exit code, once the process has ended and its output was delivered. No deadline. */
  async wait(execId = '', signal?: CancelSignal): Promise<number> {
    const { exitStatus } = await this.#ask('Wait', this.#calls.wait({ id: this.#id, execId }, { signal }))
    return exitStatus
  }

  /** Whether the main process runs, its streams and its exit code. */
  state(timeoutMs = shortDeadline): Promise<StateResponse> {
    return this.#ask('State', this.#calls.state({ id: this.#id }, { timeoutMs }))
  }

  /** The process ids of the shim and of the main process as the host sees it. */
  connectInfo(timeoutMs = shortDeadline): Promise<ConnectResponse> {
    return this.#ask('Connect', this.#calls.connect({ id: this.#id }, { timeoutMs }))
  }

  /** The processes of the container as the host sees them. */
  async pids(): Promise<ProcessInfo[]> {
    const { processes } = await this.#ask('Pids', this.#calls.pids({ id: this.#id }))
    return processes
  }

  /** In the type of the host's version of cgroups. */
  async stats(): Promise<Any> {
    const { stats } = await this.#ask('Stats', this.#calls.stats({ id: this.#id }))
    return stats ?? { typeUrl: '', value: new Uint8Array() }
  }

  /** Sends a signal by its number; with `all` to every process of the container. */
  async kill(signal: number, { execId = '', all = false } = {}): Promise<void> {
    await this.#ask('Kill', this.#calls.kill({ id: this.#id, execId, signal, all }))
  }

  /** Freezes the container. */
  async pause(): Promise<void> {
    await this.#ask('Pause', this.#calls.pause({ id: this.#id }))
  }

  /**
   * Saves the container with its machine in `path`, a directory that is not there yet. With `exit` it ends by that; otherwise it goes on. As
   * long as the shim answers.
   */
  async checkpoint(path: string, { exit = false } = {}): Promise<void> {
    const value = CheckpointOptions.encode({ exit }).finish()
    const options = { typeUrl: checkpointOptionsType, value }
    const save = (signal: CancelSignal) => this.#calls.checkpoint({ id: this.#id, path, options }, { signal })
    await this.#ask('Checkpoint', this.#whileItAnswers(save))
  }

  /** Thaws it. */
  async resume(): Promise<void> {
    await this.#ask('Resume', this.#calls.resume({ id: this.#id }))
  }

  /** `resources` of the OCI runtime specification; what is absent stays as it is. Within 60 s. */
  async update(resources: object): Promise<void> {
    const value = new TextEncoder().encode(JSON.stringify(resources))
    await this.#ask(
      'Update',
      this.#calls.update({ id: this.#id, resources: { typeUrl: resourcesType, value } }),
    )
  }

  /** Gives the process's terminal a size, in characters. */
  async resize({ rows, columns }: { rows: number; columns: number }, execId = ''): Promise<void> {
    await this.#ask(
      'ResizePty',
      this.#calls.resizePty({ id: this.#id, execId, width: columns, height: rows }),
    )
  }

  /** Ends the standard input of a process. */
  async closeInput(execId = ''): Promise<void> {
    await this.#ask('CloseIO', this.#calls.closeIO({ id: this.#id, execId, stdin: true }))
  }

  /** Forgets a process that has ended, and with the main process the container. Within 120 s. */
  delete(execId = ''): Promise<DeleteResponse> {
    return this.#ask('Delete', this.#calls.delete({ id: this.#id, execId }))
  }

  /** Ends the shim itself, which may go without an answer. */
  async shutdown(): Promise<void> {
    await this.#calls.shutdown({ id: this.#id, now: true }).catch(() => {})
  }

  /** Ends the connection, not the container. */
  close(): void {
    this.#connection.close()
  }

  get #id(): string {
    return this.#options.id
  }

  async #whileItAnswers<Reply>(call: (signal: AbortSignal) => Promise<Reply>): Promise<Reply> {
    const over = new AbortController()
    try {
      return await Promise.race([call(over.signal), this.#silence(over.signal)])
    } finally {
      over.abort()
    }
  }

  /** Settles only when the shim leaves another call without an answer. @throws TtrpcError `deadline_exceeded`. */
  async #silence(over: AbortSignal): Promise<never> {
    const { patienceMs = usualPatienceMs } = this.#options
    const timeoutMs = Math.min(patienceMs, shortDeadline)
    for (;;) {
      await sleep(patienceMs, over)
      try {
        await this.#calls.connect({ id: this.#id }, { timeoutMs, signal: over })
      } catch (error) {
        // That it knows no such task yet is an answer.
        if (TtrpcError.from(error).code === 'deadline_exceeded') throw error
      }
    }
  }

  async #ask<Reply>(method: string, answer: Promise<Reply>): Promise<Reply> {
    try {
      return await answer
    } catch (thrown) {
      const error = TtrpcError.from(thrown)
      throw this.#options.toError?.(error, method) ?? error
    }
  }
}
