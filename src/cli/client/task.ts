/** The Task service of one container's shim, with the deadline of each call and coded errors. */
import { KataError } from '../../errors.ts'
import {
  type ConnectResponse,
  type CreateTaskRequest,
  type ExecProcessRequest,
  type StateResponse,
  TaskDefinition,
} from '../../protocol/generated/containerd/task.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import {
  type Client,
  type ClientConnection,
  connect,
  createClient,
  type StatusName,
  TtrpcError,
} from '../../ttrpc/ttrpc.ts'

/** Outer bounds: the shim has its own, tighter deadlines for what it does inside each call. */
const deadlines: Readonly<Record<string, number | undefined>> = {
  Create: 300_000,
  Start: 120_000,
  Exec: 60_000,
  Delete: 60_000,
  // The life of a process has no bound; the end of the connection ends the call.
  Wait: undefined,
}
const shortDeadline = 10_000

/** What the shim answered. `message` is `[CODE] sentence. remedy`, as the shim sent it where it sent a code. */
export class ShimError extends Error {
  /** Code of the catalogue of errors. */
  readonly code: string
  readonly status: StatusName
  /** The text of the answer alone. */
  readonly reason: string

  constructor(error: TtrpcError, method: string, id: string) {
    const code = codeIn(error.message)
    const own = new KataError('SHIM_CALL_FAILED', { method, id, status: error.code, reason: error.message })
    super(code === undefined ? own.message : error.message, { cause: error })
    this.name = 'ShimError'
    this.code = code ?? own.code
    this.status = error.code
    this.reason = error.message
  }
}

/** The code of a text of the shim's, if it has one. */
export function codeIn(text: string): string | undefined {
  return /^\[([A-Z0-9_]+)\] /.exec(text)?.[1]
}

/** All methods @throws ShimError. `execId` is empty for the container's main process. */
export class TaskClient {
  readonly #id: string
  readonly #connection: ClientConnection
  readonly #calls: Client<TaskDefinition>

  private constructor(id: string, connection: ClientConnection, namespace: string) {
    this.#id = id
    this.#connection = connection
    this.#calls = createClient(TaskDefinition, connection, {
      timeoutMs: (method) => (method in deadlines ? deadlines[method] : shortDeadline),
      metadata: { 'containerd-namespace-ttrpc': namespace },
    })
  }

  /** `address` as the shim printed it. @throws KataError SHIM_UNREACHABLE. */
  static async connect(address: string, namespace: string, id: string): Promise<TaskClient> {
    try {
      const transport = await connectUnix(address.replace(/^unix:\/\//, ''))
      return new TaskClient(id, connect(transport), namespace)
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
      throw new KataError('SHIM_UNREACHABLE', { id, address, reason }, { cause })
    }
  }

  async create(request: Omit<Partial<CreateTaskRequest>, 'id'>): Promise<void> {
    await this.#ask('Create', this.#calls.create({ ...request, id: this.#id }))
  }

  async exec(request: Omit<Partial<ExecProcessRequest>, 'id'>): Promise<void> {
    await this.#ask('Exec', this.#calls.exec({ ...request, id: this.#id }))
  }

  async start(execId = ''): Promise<void> {
    await this.#ask('Start', this.#calls.start({ id: this.#id, execId }))
  }

  /** The exit code, once the process has ended and its output was delivered. */
  async wait(execId = ''): Promise<number> {
    const { exitStatus } = await this.#ask('Wait', this.#calls.wait({ id: this.#id, execId }))
    return exitStatus
  }

  state(timeoutMs: number): Promise<StateResponse> {
    return this.#ask('State', this.#calls.state({ id: this.#id }, { timeoutMs }))
  }

  /** The process ids of the shim and of the VMM. */
  connectInfo(timeoutMs: number): Promise<ConnectResponse> {
    return this.#ask('Connect', this.#calls.connect({ id: this.#id }, { timeoutMs }))
  }

  async kill(signal: number, { execId = '', all = false } = {}): Promise<void> {
    await this.#ask('Kill', this.#calls.kill({ id: this.#id, execId, signal, all }))
  }

  async resize({ rows, columns }: { rows: number; columns: number }, execId = ''): Promise<void> {
    await this.#ask(
      'ResizePty',
      this.#calls.resizePty({ id: this.#id, execId, width: columns, height: rows }),
    )
  }

  async delete(execId = ''): Promise<void> {
    await this.#ask('Delete', this.#calls.delete({ id: this.#id, execId }))
  }

  /** Ends the shim itself, which may go without an answer. */
  async shutdown(): Promise<void> {
    await this.#calls.shutdown({ id: this.#id, now: true }).catch(() => {})
  }

  close(): void {
    this.#connection.close()
  }

  async #ask<Reply>(method: string, answer: Promise<Reply>): Promise<Reply> {
    try {
      return await answer
    } catch (error) {
      throw new ShimError(TtrpcError.from(error), method, this.#id)
    }
  }
}

/** Whether the shim says that the process it was asked about has ended or never was. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ShimError && error.status === 'not_found'
}
