/** Answers calls that come over one connection, many at a time. */
import { definedTimeout } from './deadline.ts'
import { deferred } from './deferred.ts'
import type { MethodDefinition } from './definition.ts'
import {
  decodeRequest,
  encodeHeadOfLent,
  encodeResponse,
  type Request,
  type Response,
  type Status,
} from './envelope.ts'
import { FrameDecoder, type FrameHeader, frameType, headerBytes, isTakeOver, maxDataBytes } from './frame.ts'
import { LentAnswer, letGo } from './lent-answer.ts'
import type { CallContext, Service } from './service.ts'
import { TtrpcError } from './status.ts'
import type { Transport } from './transport.ts'

export interface ServeOptions {
  /**
   * What an error becomes on the wire, for a caller with this metadata; undefined for the default: a TtrpcError as it is without
   * domain and metadata, and anything else `unknown` with its message.
   */
  readonly toStatus?: (error: unknown, metadata: CallContext['metadata']) => Status | undefined
  /** Told of every error a handler threw and of the one that ended the connection. */
  readonly onError?: (error: unknown, call?: { service: string; method: string }) => void
  /** The process at the other end, for handlers; this package does not look at it. */
  readonly peer?: number
  /** Calls at one time on this connection, but for those that wait for an event; more answer `resource_exhausted`. Default 1024. */
  readonly maxInFlight?: number
  /** Calls at one time on this connection that wait for an event; more answer `resource_exhausted`. Default 65536. */
  readonly maxWaiting?: number
  /**
   * Bytes of answers that may wait until the peer reads; beyond that, the connection ends with `resource_exhausted`. Answers that are made in
   * one turn wait together, for a peer that reads too. Default Infinity.
   */
  readonly maxUnreadBytes?: number
}

/** About what it costs to keep an answer beside its bytes, which may be few. */
const bytesOfWaiting = 128

export interface ServerConnection {
  /** Settles, never rejects, when the connection is over; with an error unless the peer just left. */
  readonly closed: Promise<Error | undefined>
  /** Ends the connection once what was answered so far is written. Safe to call again. */
  close(): void
}

/** Serves `services` on a transport, which is the server's from now on. */
export function serve(
  transport: Transport,
  services: readonly Service[],
  options: ServeOptions = {},
): ServerConnection {
  return new Server(transport, services, options)
}

class Server implements ServerConnection {
  readonly #transport: Transport
  readonly #services: ReadonlyMap<string, Service>
  readonly #options: ServeOptions
  /** What cancels each call, by its stream. */
  readonly #calls = new Map<number, (reason: TtrpcError) => void>()
  /** Those of them that wait for an event. */
  readonly #waiting = new Set<number>()
  /** What its answers that the stream has not accepted yet take, bytes. */
  #unread = 0
  readonly #closed = deferred<Error | undefined>()
  #over = false

  constructor(transport: Transport, services: readonly Service[], options: ServeOptions) {
    this.#transport = transport
    this.#services = new Map(services.map((entry) => [entry.name, entry]))
    this.#options = options
    const decoder = new FrameDecoder({
      frame: (header, data) => this.#request(header, data),
      oversize: (header) => this.#oversize(header),
    })
    transport.onClose((error) => this.#end(error))
    const guarded = (take: () => void) => {
      if (this.#over) return
      try {
        take()
      } catch (error) {
        this.#fail(TtrpcError.from(error))
      }
    }
    transport.onData((chunk) => guarded(() => decoder.push(chunk)), {
      next: () => decoder.next(),
      filled: (bytes) => guarded(() => decoder.filled(bytes)),
    })
  }

  get closed(): Promise<Error | undefined> {
    return this.#closed.promise
  }

  close(): void {
    this.#transport.close()
    this.#end(undefined)
  }

  #request(header: FrameHeader, data: Uint8Array): void {
    if (this.#over) return
    const { streamId } = header
    if (isTakeOver(header)) {
      this.close()
      return
    }
    if (header.type !== frameType.request)
      throw new TtrpcError(
        'internal',
        `malformed frame: type ${header.type} of stream ${streamId}, ${header.length} bytes, is no request, and streams are not served`,
      )
    if (this.#calls.has(streamId))
      throw new TtrpcError('internal', `malformed frame: stream ${streamId} is already in use`)
    if (streamId % 2 === 0) this.#refuse(streamId, 'invalid_argument', 'stream ids of a client are odd')
    else void this.#serve(streamId, data)
  }

  /** Runs up to the handler's first await before it returns, so calls start in the order in which they came. */
  async #serve(streamId: number, data: Uint8Array): Promise<void> {
    let request: Request | undefined
    try {
      request = decodeRequest(data)
      const { method, handler, waits } = this.#find(request)
      if (this.#refusesMore(streamId, waits)) return
      const message = decodeMessage(method, request)
      if (waits) this.#waiting.add(streamId)
      const answer = await this.#run(streamId, request, (context) => handler(message, context))
      if (answer instanceof LentAnswer) return this.#answerLent(streamId, answer)
      const payload = method.responseType.encode(method.responseType.fromPartial(answer)).finish()
      this.#answer(streamId, { payload })
    } catch (error) {
      if (this.#over) return
      this.#report(error, request)
      this.#answer(streamId, { status: this.#statusOf(error, request?.metadata ?? new Map()) })
    }
  }

  /** A caller that gave up a wait tells nobody: such calls must not keep out those that end the wait. */
  #refusesMore(streamId: number, waits: boolean): boolean {
    const { maxInFlight = 1024, maxWaiting = 65_536 } = this.#options
    const [count, most] = waits
      ? [this.#waiting.size, maxWaiting]
      : [this.#calls.size - this.#waiting.size, maxInFlight]
    if (count < most) return false
    this.#refuse(streamId, 'resource_exhausted', `more than ${most} calls at a time`)
    return true
  }

  #find({ service, method }: Request) {
    const found = this.#services.get(service)
    if (!found) throw new TtrpcError('unimplemented', `service ${service} is not served here`)
    const entry = found.methods.get(method)
    if (!entry) throw new TtrpcError('unimplemented', `method ${service}/${method} is not implemented`)
    return entry
  }

  /** The handler's answer, or the reason why the caller no longer waits for it. */
  #run(streamId: number, request: Request, handle: (context: CallContext) => unknown): Promise<unknown> {
    const { metadata, timeoutMs, method } = request
    const { peer } = this.#options
    // One promise and few functions: in QuickJS, a guest's processor has more to do with them than with most calls.
    return new Promise((resolve, reject) => {
      const onCancel: ((reason: TtrpcError) => void)[] = []
      let over: TtrpcError | undefined
      const end = () => {
        timeout?.cancel()
        this.#calls.delete(streamId)
        this.#waiting.delete(streamId)
      }
      const cancel = (reason: TtrpcError) => {
        if (over !== undefined) return
        over = reason
        end()
        reject(reason)
        for (const handler of onCancel) handler(reason)
      }
      const context: CallContext = {
        metadata,
        timeoutMs,
        peer,
        onCancel: (handler) => {
          if (over === undefined) onCancel.push(handler)
          else handler(over)
        },
      }
      this.#calls.set(streamId, cancel)
      const timeout = definedTimeout(timeoutMs, () =>
        cancel(new TtrpcError('deadline_exceeded', `${method} took longer than ${timeoutMs} ms`)),
      )
      const answered = (answer: unknown) => {
        if (over !== undefined) return letGo(answer)
        end()
        resolve(answer)
      }
      const failed = (error: unknown) => {
        if (over === undefined) end()
        reject(error)
      }
      try {
        Promise.resolve(handle(context)).then(answered, failed)
      } catch (error) {
        failed(error)
      }
    })
  }

  #answer(streamId: number, response: Response): void {
    if (this.#over) return
    const frame = encodeResponse(streamId, response)
    if (this.#isTooLong(streamId, frame.length)) return
    this.#sent(frame.length, this.#transport.write(frame))
  }

  /** Refuses the answer of a frame that is too long. */
  #isTooLong(streamId: number, frameBytes: number): boolean {
    if (frameBytes - headerBytes <= maxDataBytes) return false
    this.#refuse(
      streamId,
      'resource_exhausted',
      `an answer of ${frameBytes} bytes is over the limit of 4 MiB`,
    )
    return true
  }

  /** Notes an answer that waits until `written` settles. */
  #sent(length: number, written: void | Promise<void>): void {
    if (!written) return
    const { maxUnreadBytes = Infinity } = this.#options
    const bytes = length + bytesOfWaiting
    this.#unread += bytes
    written.then(
      () => {
        this.#unread -= bytes
      },
      (error) => this.#fail(error),
    )
    if (this.#unread > maxUnreadBytes)
      this.#fail(
        new TtrpcError(
          'resource_exhausted',
          `more than ${maxUnreadBytes} bytes of answers wait for a peer that does not read`,
        ),
      )
  }

  /** The head and the bytes go one after the other: to join them would be a copy. */
  #answerLent(streamId: number, answer: LentAnswer): void {
    const { lent } = answer
    const head = encodeHeadOfLent(streamId, answer)
    if (this.#over || this.#isTooLong(streamId, head.length + lent.bytes.length)) {
      letGo(answer)
      return
    }
    this.#sent(head.length, this.#transport.write(head))
    const written = this.#transport.write(lent.bytes)
    if (!written) {
      lent.giveBack(true)
      return
    }
    written.then(
      () => lent.giveBack(true),
      () => lent.giveBack(false),
    )
    // The bytes themselves are in the handler's memory, who bounds it.
    this.#sent(0, written)
  }

  #refuse(streamId: number, code: Status['code'], message: string): void {
    this.#answer(streamId, { status: { code, message } })
  }

  #oversize({ streamId, length, type }: FrameHeader): void {
    if (type !== frameType.request)
      throw new TtrpcError('internal', `malformed frame: type ${type} of ${length} bytes`)
    this.#refuse(streamId, 'resource_exhausted', `a request of ${length} bytes is over the limit of 4 MiB`)
  }

  #statusOf(error: unknown, metadata: CallContext['metadata']): Status {
    const known = this.#options.toStatus?.(error, metadata)
    if (known) return bounded(known)
    const { code, message, reason } = TtrpcError.from(error)
    return bounded({ code, message, reason })
  }

  #report(error: unknown, request?: Request): void {
    const call = request && { service: request.service, method: request.method }
    this.#options.onError?.(error, call)
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#report(error)
    this.#end(error)
    this.#transport.close(error)
  }

  #end(error: Error | undefined): void {
    if (this.#over) return
    this.#over = true
    const reason = new TtrpcError('unavailable', 'the connection is closed', { cause: error })
    for (const cancel of [...this.#calls.values()]) cancel(reason)
    this.#closed.resolve(error)
  }
}

function decodeMessage(method: MethodDefinition, request: Request): unknown {
  try {
    return method.requestType.decode(request.payload)
  } catch (error) {
    const name = `${request.service}/${request.method}`
    throw new TtrpcError('invalid_argument', `malformed payload of ${name}`, { cause: error })
  }
}

/** An `ok` that was thrown would look like a success, and a message that fills a frame would not get through. */
function bounded({ code, message, ...more }: Status): Status {
  return { ...more, code: code === 'ok' ? 'unknown' : code, message: message.slice(0, 64 * 1024) }
}
