/** Client of QEMU's machine protocol over a connection that was made before QEMU ran. */
import type { Socket } from 'bun'
import { KataError } from '../../../errors.ts'
import { adoptSocket } from '../../../linux/sockets/adopt-socket.ts'
import { sendAll } from '../../../linux/sockets/send-fds.ts'
import { protocolError, sendError, withDeadline } from '../../monitor/answers.ts'
import type { ProgramVersion } from '../../program.ts'
import { LineSplitter } from './line-splitter.ts'
import { parseQmpMessage, type QmpMessage } from './qmp-message.ts'

export interface QmpEvent {
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What a command may take, milliseconds: most are answered at once. */
export const commandMs = 10_000

export interface ExecuteOptions {
  /** Sent along by SCM_RIGHTS; the caller keeps its own copies. */
  readonly fds?: readonly number[]
  /** Default {@link commandMs}. */
  readonly timeoutMs?: number
}

interface Waiting {
  readonly command: string
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class QmpClient {
  /** Settles when the connection is over, with the reason if that was a fault of the peer. */
  readonly closed: Promise<KataError | undefined>
  readonly #fd: number
  readonly #onEvent: (event: QmpEvent) => void
  readonly #greeting = Promise.withResolvers<ProgramVersion>()
  readonly #closing = Promise.withResolvers<KataError | undefined>()
  readonly #waiting = new Map<number, Waiting>()
  readonly #splitter = new LineSplitter()
  #socket: Socket<undefined> | undefined
  #isClosed = false
  #nextId = 1
  #sending: Promise<void> = Promise.resolve()

  private constructor(fd: number, onEvent: (event: QmpEvent) => void) {
    this.#fd = fd
    this.#onEvent = onEvent
    this.closed = this.#closing.promise
    // Whoever waits for the greeting sees its failure; nobody may be waiting when the process dies first.
    this.#greeting.promise.catch(() => {})
  }

  /** Takes over a connected descriptor; QEMU may not have accepted it yet. `onEvent` is called in order. */
  static async open(fd: number, onEvent: (event: QmpEvent) => void): Promise<QmpClient> {
    const client = new QmpClient(fd, onEvent)
    client.#socket = await adoptSocket(fd, {
      data: (_, bytes) => client.#receive(bytes),
      close: () => client.#end(undefined),
      end: () => client.#end(undefined),
      error: () => client.#end(undefined),
    })
    return client
  }

  /**
   * Waits for the greeting and switches to command mode.
   *
   * @throws KataError VMM_DISCONNECTED, VMM_PROTOCOL, VMM_COMMAND_TIMEOUT.
   */
  async negotiate(timeoutMs: number): Promise<ProgramVersion> {
    const version = await withDeadline(this.#greeting.promise, 'the greeting', timeoutMs)
    await this.execute('qmp_capabilities', {}, { timeoutMs })
    return version
  }

  /**
   * Runs one command and returns what it answers; the caller checks the shape of what it uses.
   *
   * @throws KataError VMM_COMMAND_FAILED with QEMU's reason, VMM_COMMAND_TIMEOUT, VMM_DISCONNECTED, VMM_PROTOCOL.
   */
  async execute(command: string, args: object = {}, options: ExecuteOptions = {}): Promise<unknown> {
    const { fds = [], timeoutMs = commandMs } = options
    const id = this.#nextId++
    const answer = Promise.withResolvers<unknown>()
    if (this.#isClosed) throw new KataError('VMM_DISCONNECTED', { command })
    this.#waiting.set(id, { command, ...answer })
    const bytes = Buffer.from(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
    // One after the other, so that a descriptor arrives with the command that names it.
    const sent = this.#sending
      .then(() => sendAll(this.#fd, bytes, fds, () => this.#isClosed))
      .catch((error) => {
        throw sendError(error, command)
      })
    this.#sending = sent.catch(() => {})
    try {
      return await withDeadline(
        Promise.race([answer.promise, sent.then(() => answer.promise)]),
        command,
        timeoutMs,
      )
    } finally {
      this.#waiting.delete(id)
      answer.promise.catch(() => {})
    }
  }

  /** Ends the connection; commands still waited for fail. */
  close(): void {
    this.#end(undefined)
  }

  #receive(bytes: Uint8Array): void {
    try {
      for (const line of this.#splitter.push(bytes)) this.#dispatch(parseQmpMessage(line))
    } catch (error) {
      this.#end(error instanceof KataError ? error : protocolError(String(error)))
    }
  }

  #dispatch(message: QmpMessage): void {
    if (message.kind === 'greeting') this.#greeting.resolve(message.version)
    else if (message.kind === 'event') this.#onEvent({ name: message.name, data: message.data })
    else this.#answer(message)
  }

  #answer(message: Extract<QmpMessage, { kind: 'return' | 'error' }>): void {
    const { id } = message
    if (id >= this.#nextId) throw protocolError(`an answer to command ${id}, which was not sent`)
    const waiting = this.#waiting.get(id)
    // Nobody waits for the answer to a command whose deadline has passed.
    if (waiting === undefined) return
    const { command, resolve, reject } = waiting
    if (message.kind === 'return') resolve(message.value)
    else reject(new KataError('VMM_COMMAND_FAILED', { command, reason: message.reason }))
  }

  #end(fault: KataError | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const error = (command: string) => fault ?? new KataError('VMM_DISCONNECTED', { command })
    this.#greeting.reject(error('the greeting'))
    for (const { command, reject } of this.#waiting.values()) reject(error(command))
    this.#waiting.clear()
    this.#socket?.end()
    this.#closing.resolve(fault)
  }
}
