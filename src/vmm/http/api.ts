/** Client of a VMM's API, HTTP over a unix socket: one connection for good, one call after the other. */
import type { Socket } from 'bun'
import { KataError } from '../../errors.ts'
import { adoptSocket } from '../../linux/sockets/adopt-socket.ts'
import { sendAll } from '../../linux/sockets/send-fds.ts'
import { sleep } from '../../time.ts'
import { asText, parseJson, protocolError, sendError, withDeadline } from '../monitor/answers.ts'
import { type HttpResponse, ResponseReader } from './response.ts'

/** What tells one VMM's API from another's. */
export interface ApiDialect {
  /** What every path begins with. */
  readonly prefix: string
  /** What went wrong in the VMM's words, from the JSON that it sent; undefined when it is of no form that it uses. */
  reasonIn(body: unknown): string | undefined
}

export interface CallOptions {
  readonly body?: object
  /** Sent along by SCM_RIGHTS; the caller keeps its own copies. */
  readonly fds?: readonly number[]
  /** Default 10 seconds. */
  readonly timeoutMs?: number
}

/** A VMM that is busy says 429: as often and as long apart it is asked again (Kata's figures). */
const busyTries = 20
const busyPauseMs = 20

interface Waiting {
  readonly resolve: (response: HttpResponse) => void
  readonly reject: (error: unknown) => void
}

export class ApiClient {
  /** Settles when the connection is over, with the reason if that was a fault of the peer. */
  readonly closed: Promise<KataError | undefined>
  readonly #fd: number
  readonly #dialect: ApiDialect
  readonly #closing = Promise.withResolvers<KataError | undefined>()
  readonly #reader = new ResponseReader()
  #socket: Socket<undefined> | undefined
  #isClosed = false
  /** The call that was sent and not answered; a late answer to one whose deadline passed still belongs to it. */
  #waiting: Waiting | undefined
  /** Settles when the next call may be sent. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(fd: number, dialect: ApiDialect) {
    this.#fd = fd
    this.#dialect = dialect
    this.closed = this.#closing.promise
  }

  /** Takes over a connected descriptor; the VMM may not have accepted it yet. */
  static async open(fd: number, dialect: ApiDialect): Promise<ApiClient> {
    const client = new ApiClient(fd, dialect)
    client.#socket = await adoptSocket(fd, {
      data: (_, bytes) => client.#receive(bytes),
      close: () => client.#end(undefined),
      end: () => client.#end(undefined),
      error: () => client.#end(undefined),
    })
    return client
  }

  /** `GET` of what the VMM tells. @throws as {@link put}. */
  async get(command: string, options: CallOptions = {}): Promise<unknown> {
    return this.#call('GET', command, options)
  }

  /**
   * Has the VMM do something, for instance `vm.boot`, and returns its answer, undefined when there is none; the caller
   * checks the shape of what it uses.
   *
   * @throws KataError VMM_COMMAND_FAILED with the VMM's reason, VMM_COMMAND_TIMEOUT, VMM_DISCONNECTED, VMM_PROTOCOL.
   */
  async put(command: string, options: CallOptions = {}): Promise<unknown> {
    return this.#call('PUT', command, options)
  }

  /** Changes a part of what is there. @throws as {@link put}. */
  async patch(command: string, options: CallOptions = {}): Promise<unknown> {
    return this.#call('PATCH', command, options)
  }

  /** Ends the connection; calls still waited for fail. */
  close(): void {
    this.#end(undefined)
  }

  async #call(method: string, command: string, options: CallOptions): Promise<unknown> {
    const { timeoutMs = 10_000 } = options
    for (let tries = 1; ; tries++) {
      const givenUp = new AbortController()
      const exchange = this.#exchange(method, command, options, givenUp.signal)
      const { status, body } = await withDeadline(exchange, command, timeoutMs).finally(() => givenUp.abort())
      if (status === 429 && tries < busyTries) await sleep(busyPauseMs)
      else if (status !== 200 && status !== 204)
        throw new KataError('VMM_COMMAND_FAILED', { command, reason: this.#reasonOf(status, body) })
      else return body === '' ? undefined : parseJson(body)
    }
  }

  /** Sends when its turn comes, if it was not given up before; the turn is over with the answer, however late. */
  async #exchange(
    method: string,
    command: string,
    { body, fds = [] }: CallOptions,
    givenUp: AbortSignal,
  ): Promise<HttpResponse> {
    const bytes = encode(method, `${this.#dialect.prefix}${command}`, body)
    const answer = Promise.withResolvers<HttpResponse>()
    const turn = this.#turn.then(() => this.#send(command, bytes, fds, answer, givenUp))
    const over = turn.then(() => answer.promise)
    this.#turn = over.catch(() => {})
    return over
  }

  async #send(
    command: string,
    bytes: Buffer,
    fds: readonly number[],
    answer: Waiting,
    givenUp: AbortSignal,
  ): Promise<void> {
    givenUp.throwIfAborted()
    const gone = () => new KataError('VMM_DISCONNECTED', { command })
    if (this.#isClosed) throw gone()
    this.#waiting = { resolve: answer.resolve, reject: (error) => answer.reject(error ?? gone()) }
    try {
      await sendAll(this.#fd, bytes, fds, () => this.#isClosed)
    } catch (error) {
      this.#waiting = undefined
      throw sendError(error, command)
    }
  }

  #reasonOf(status: number, body: string): string {
    const reason = this.#dialect.reasonIn(jsonIn(body)) ?? (body.trim() || `status ${status}`)
    return asText(reason, 'a reason')
  }

  #receive(bytes: Uint8Array): void {
    try {
      for (const response of this.#reader.push(bytes)) {
        if (this.#waiting === undefined) throw protocolError('an answer to nothing')
        this.#waiting.resolve(response)
        this.#waiting = undefined
      }
    } catch (error) {
      this.#end(error instanceof KataError ? error : protocolError(String(error)))
    }
  }

  #end(fault: KataError | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#waiting?.reject(fault)
    this.#waiting = undefined
    this.#socket?.end()
    this.#closing.resolve(fault)
  }
}

function encode(method: string, path: string, body: object | undefined): Buffer {
  const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', 'Accept: application/json']
  const text = body === undefined ? '' : JSON.stringify(body)
  if (body !== undefined)
    head.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(text)}`)
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`)
}

function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
