/** Calls over one connection: many at a time, distinguished by stream ids. */
import { definedTimeout } from './deadline.ts'
import { deferred } from './deferred.ts'
import type { MessageOf, MethodDefinition, Partially, ServiceDefinition } from './definition.ts'
import { decodeResponse, encodeRequest, methodPrefix, type RequestOptions } from './envelope.ts'
import { FrameDecoder, type FrameHeader, frameType, headerBytes, maxDataBytes } from './frame.ts'
import { defaultLimits, type PeerLimits, Queued, UnaskedFrames } from './peer-limits.ts'
import { TtrpcError } from './status.ts'
import type { Transport } from './transport.ts'

/** The part of an AbortSignal that is used, so that an engine without it can bring its own. */
export interface CancelSignal {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface CallOptions extends RequestOptions {
  /** Stops waiting for the answer. The peer does not learn of it, because unary ttrpc has no message for it. */
  readonly signal?: CancelSignal | undefined
  /** A larger answer fails with `resource_exhausted`; default 4 MiB, the limit of a frame. */
  readonly maxAnswerBytes?: number | undefined
  /**
   * The request waits for its turn while much waits for the peer already, in order with others that can. Any other is sent at once, and a
   * peer that leaves too many unread loses the connection. Default false.
   */
  readonly isPatient?: boolean | undefined
}

/** One method per method of the service, e.g. `client.waitProcess({ containerId }, { timeoutMs })`. */
export type Client<Definition extends ServiceDefinition> = {
  readonly [Method in keyof Definition['methods']]: (
    request: Partially<MessageOf<Definition['methods'][Method]['requestType']>>,
    options?: CallOptions,
  ) => Promise<MessageOf<Definition['methods'][Method]['responseType']>>
}

interface Pending {
  readonly maxAnswerBytes: number
  resolve(payload: Uint8Array): void
  reject(error: TtrpcError): void
}

const maxStreamId = 0x7fffffff

export interface ConnectOptions {
  /** An odd number; default 1. A random number distinguishes answers to this connection from answers to an earlier one. */
  readonly firstStreamId?: number
  readonly limits?: PeerLimits
}

/** The calling end of a transport. The transport is this connection's from now on. */
export class ClientConnection {
  readonly #transport: Transport
  readonly #pending = new Map<number, Pending>()
  readonly #closed = deferred<TtrpcError>()
  readonly #unasked: UnaskedFrames
  readonly #queued: Queued
  #nextStreamId: number
  #over: TtrpcError | undefined

  constructor(transport: Transport, { firstStreamId = 1, limits = defaultLimits }: ConnectOptions = {}) {
    this.#transport = transport
    this.#unasked = new UnaskedFrames(limits)
    this.#queued = new Queued(limits)
    this.#nextStreamId = firstStreamId
    const decoder = new FrameDecoder({
      frame: (header, data) => this.#answered(header, data),
      // No call takes so much.
      oversize: (header) => void this.#taken(header),
    })
    transport.onClose((error) => this.#end(closedError(error)))
    transport.onData((chunk) => {
      if (this.#over) return
      try {
        decoder.push(chunk)
      } catch (error) {
        this.close(TtrpcError.from(error))
      }
    })
  }

  /** Settles, never rejects, when the connection is over; the error says why. */
  get closed(): Promise<TtrpcError> {
    return this.#closed.promise
  }

  /** Why the connection is over; undefined while it lives. Calls in flight reject with this very error. */
  get closeReason(): TtrpcError | undefined {
    return this.#over
  }

  /**
   * One call with bytes in and bytes out. `prefix` is {@link methodPrefix} of the method.
   *
   * @throws TtrpcError what the peer answered; `deadline_exceeded`, `cancelled`, `unavailable` (connection over),
   *   `resource_exhausted` (request over 4 MiB, answer over its limit).
   */
  async call(prefix: Uint8Array, payload: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const { signal } = options
    if (this.#over) throw this.#over
    if (signal?.aborted) throw cancelled(signal)
    const streamId = this.#takeStreamId()
    const frame = encodeRequest(streamId, prefix, payload, options)
    if (frame.length - headerBytes > maxDataBytes)
      throw new TtrpcError(
        'resource_exhausted',
        `a request of ${frame.length} bytes is over the limit of 4 MiB`,
      )

    const { promise, resolve, reject } = deferred<Uint8Array>()
    const maxAnswerBytes = Math.min(options.maxAnswerBytes ?? maxDataBytes, maxDataBytes)
    this.#pending.set(streamId, { maxAnswerBytes, resolve, reject })
    const onAbort = () => reject(cancelled(signal))
    signal?.addEventListener('abort', onAbort)
    const timeout = definedTimeout(options.timeoutMs, () =>
      reject(new TtrpcError('deadline_exceeded', `no answer within ${options.timeoutMs} ms`)),
    )
    let giveUp = () => {}
    try {
      // The write is not waited for on its own: a deadline must also end a call whose request cannot leave.
      if (options.isPatient) giveUp = this.#queued.whenRoom(() => this.#send(frame))
      else this.#send(frame)
      return await promise
    } finally {
      giveUp()
      timeout?.cancel()
      signal?.removeEventListener('abort', onAbort)
      if (this.#pending.delete(streamId)) this.#unasked.givenUp()
    }
  }

  #send(frame: Uint8Array): void {
    const written = this.#transport.write(frame)
    written?.catch((error) => this.close(closedError(error)))
    if (written && this.#queued.exceededBy(frame.length, written))
      this.close(new TtrpcError('resource_exhausted', 'too many requests wait for a peer that does not read'))
  }

  /** Ends the connection; calls in flight reject with `unavailable`. Safe to call again. */
  close(error?: Error): void {
    this.#end(closedError(error))
    this.#transport.close(error)
  }

  #takeStreamId(): number {
    // Answers to calls given up on may still come, so ids are reused only after all others.
    while (this.#pending.has(this.#nextStreamId)) this.#advance()
    const streamId = this.#nextStreamId
    this.#advance()
    return streamId
  }

  #advance(): void {
    this.#nextStreamId = this.#nextStreamId >= maxStreamId - 1 ? 1 : this.#nextStreamId + 2
  }

  #answered(header: FrameHeader, data: Uint8Array): void {
    if (header.type !== frameType.response)
      throw new TtrpcError('internal', `malformed frame: the peer sent type ${header.type}, not an answer`)
    const pending = this.#taken(header)
    if (!pending) return
    try {
      const response = decodeResponse(data)
      if ('payload' in response) pending.resolve(response.payload)
      else {
        const { code, message, ...info } = response.status
        pending.reject(new TtrpcError(code, message, { ...info, isAnswer: true }))
      }
    } catch (error) {
      pending.reject(new TtrpcError('internal', `answer not understood: ${TtrpcError.from(error).message}`))
    }
  }

  /** The call that waits for this frame and can take it; it waits no more. @throws TtrpcError when too many answer none. */
  #taken({ streamId, length }: FrameHeader): Pending | undefined {
    const pending = this.#pending.get(streamId)
    if (!pending) {
      this.#unasked.take()
      return undefined
    }
    this.#pending.delete(streamId)
    if (length <= pending.maxAnswerBytes) return pending
    const limit = `the limit of ${pending.maxAnswerBytes}`
    pending.reject(new TtrpcError('resource_exhausted', `an answer of ${length} bytes is over ${limit}`))
    return undefined
  }

  #end(error: TtrpcError): void {
    if (this.#over) return
    this.#over = error
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
    this.#closed.resolve(error)
  }
}

/** Takes a transport as the calling end of a connection. */
export function connect(transport: Transport, options: ConnectOptions = {}): ClientConnection {
  return new ClientConnection(transport, options)
}

export interface ClientDefaults {
  /** Time limit of a method when the call names none; undefined for no limit. */
  readonly timeoutMs?: (method: string) => number | undefined
  /** Largest answer of a method; undefined for the limit of a frame. */
  readonly maxAnswerBytes?: (method: string) => number | undefined
  readonly metadata?: Readonly<Record<string, string>>
}

/** A typed client of one service. `timeoutMs: undefined` in a call overrides the default with no limit. */
export function createClient<Definition extends ServiceDefinition>(
  definition: Definition,
  connection: Pick<ClientConnection, 'call'>,
  defaults: ClientDefaults = {},
): Client<Definition> {
  const methods = Object.entries(definition.methods).map(([key, method]) => [
    key,
    caller(definition.fullName, method, connection, {
      timeoutMs: defaults.timeoutMs?.(method.name),
      maxAnswerBytes: defaults.maxAnswerBytes?.(method.name),
      metadata: defaults.metadata,
    }),
  ])
  return Object.fromEntries(methods) as Client<Definition>
}

function caller(
  service: string,
  method: MethodDefinition,
  connection: Pick<ClientConnection, 'call'>,
  defaults: CallOptions,
) {
  const prefix = methodPrefix(service, method.name)
  return async (request: unknown, options: CallOptions = {}): Promise<unknown> => {
    const payload = method.requestType.encode(method.requestType.fromPartial(request)).finish()
    const answer = await connection.call(prefix, payload, { ...defaults, ...options })
    try {
      return method.responseType.decode(answer)
    } catch (error) {
      throw new TtrpcError('internal', `answer of ${service}/${method.name} not understood`, { cause: error })
    }
  }
}

function closedError(error: unknown): TtrpcError {
  if (error instanceof TtrpcError && error.code !== 'unknown') return error
  const reason = error instanceof Error ? `: ${error.message}` : ''
  return new TtrpcError('unavailable', `the connection is closed${reason}`, { cause: error })
}

function cancelled(signal: CancelSignal | undefined): TtrpcError {
  return new TtrpcError('cancelled', 'the call was cancelled', { cause: signal?.reason })
}
