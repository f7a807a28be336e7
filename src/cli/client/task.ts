/** The Task service of one container's shim, with the deadline of each call and coded errors. */

import { asksForErrorInfo, errorFromInfo } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import {
  type ConnectResponse,
  type CreateTaskRequest,
  type ExecProcessRequest,
  type StateResponse,
  TaskDefinition,
} from '../../protocol/generated/containerd/task.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'
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

/**
 * All methods @throws KataError what the shim answered; SHIM_CALL_FAILED for an answer without a code of ours, or for none. `execId`
 * is empty for the container's main process.
 */
export class TaskClient {
  readonly #id: string
  readonly #connection: ClientConnection
  readonly #calls: Client<TaskDefinition>

  private constructor(id: string, connection: ClientConnection, namespace: string) {
    this.#id = id
    this.#connection = connection
    this.#calls = createClient(TaskDefinition, connection, {
      timeoutMs: (method) => (method in deadlines ? deadlines[method] : shortDeadline),
      metadata: { 'containerd-namespace-ttrpc': namespace, ...asksForErrorInfo },
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

  /** In the type of the host's version of cgroups. */
  async stats(): Promise<Any> {
    const { stats } = await this.#ask('Stats', this.#calls.stats({ id: this.#id }))
    return stats ?? { typeUrl: '', value: new Uint8Array() }
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
      throw asKataError(TtrpcError.from(error), method, this.#id)
    }
  }
}

/**
 * The shim's own error where it told one. A shim of another version, whose codes or fields this one does not know, has its text told
 * as it is: no code is read from a text, which may be a guest's. Both errors keep the answer as their cause.
 */
export function asKataError(answer: TtrpcError, method: string, id: string): KataError {
  const { code: status, message: reason } = answer
  return (
    errorFromInfo(answer, answer) ??
    new KataError('SHIM_CALL_FAILED', { method, id, status, reason }, { cause: answer })
  )
}

/** The status by which the shim answered, or by which a call failed without an answer; undefined for another error. */
export function answerStatus(error: unknown): StatusName | undefined {
  const cause = error instanceof KataError ? error.cause : undefined
  return cause instanceof TtrpcError ? cause.code : undefined
}

/** Whether the shim says that the process it was asked about has ended or never was. */
export function isNotFound(error: unknown): boolean {
  return answerStatus(error) === 'not_found'
}
