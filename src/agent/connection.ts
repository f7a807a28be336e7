/**
 * The host's connection to one guest agent. On a serial port it is made before the guest boots, so that the guest is never without a
 * host: QEMU leaves our bytes in the socket until the guest has opened the port.
 */
import { describeError, KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { AgentEndpoint } from '../protocol/agent-endpoint.ts'
import { HealthCheckResponse_ServingStatus, HealthDefinition } from '../protocol/generated/health.ts'
import { deadline, retry, until } from '../time.ts'
import { connectUnix } from '../ttrpc/bun.ts'
import { takeOverFrame } from '../ttrpc/frame.ts'
import { type CallOptions, type ClientConnection, connect, createClient, TtrpcError } from '../ttrpc/ttrpc.ts'
import { type AgentClient, agentClients, type HealthClient, harmless, waitsForEvent } from './client.ts'
import { describeEndpoint } from './endpoint.ts'
import { dialHybridVsock } from './hybrid-vsock.ts'
import { skipStaleBytes } from './resync.ts'
import { dialVsock } from './vsock.ts'

/** The first hello normally waits in the port until the guest is up. Others follow in case the first is lost. */
const helloIntervalMs = 1_000
/** That of a guest which goes on: it is there at once. */
const againMs = 100
const dialIntervalMs = 10
/** Time for the VMM to start: its socket exists once it runs. */
const socketTimeoutMs = 5_000
const handshakeTimeoutMs = 10_000

export interface AgentOptions {
  readonly log: Logger
  /** The guest goes on from where it was saved, in the middle of a connection of then. Default false. */
  readonly goesOn?: boolean
  readonly signal?: AbortSignal
}

export interface WaitOptions {
  readonly timeoutMs: number
  /** When it fires, the wait rejects with its reason. */
  readonly signal?: AbortSignal
}

export class AgentConnection {
  readonly agent: AgentClient
  readonly health: HealthClient
  readonly #endpoint: AgentEndpoint
  readonly #goesOn: boolean
  readonly #log: Logger
  readonly #closed = Promise.withResolvers<KataError>()
  #link: ClientConnection | undefined
  /** While the guest is left alone: calls wait for its end. */
  #rest: { readonly over: Promise<void>; readonly end: () => void } | undefined
  /** How many calls are under way that the guest answers by itself. */
  #asked = 0
  #explain: (lost: KataError) => Promise<KataError> = async (lost) => lost

  constructor(endpoint: AgentEndpoint, { log, goesOn = false }: AgentOptions) {
    this.#endpoint = endpoint
    this.#goesOn = goesOn
    this.#log = log
    const { agent, health } = agentClients({ call: (...args) => this.#call(...args) })
    this.agent = agent
    this.health = health
  }

  /** Resolves when the connection is lost or closed. Never rejects. */
  get closed(): Promise<KataError> {
    return this.#closed.promise
  }

  /** Ends the connection. Safe to call again. */
  close(): void {
    this.#link?.close()
    this.goOn()
    this.#closed.resolve(this.#died('closed by us'))
  }

  /**
   * Holds all calls until {@link goOn}, from a moment on when nothing is on its way: what guest and host have of each other is whole. No
   * process of a container may run meanwhile. Calls that wait for an event of the guest stay asked.
   *
   * @returns false when a call is not answered in time; then nothing is held.
   * @throws the signal's reason; KataError AGENT_DIED when the connection is lost.
   */
  async rest({ timeoutMs, signal }: WaitOptions): Promise<boolean> {
    const link = this.#link
    if (link === undefined || this.#rest !== undefined) return false
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#rest = { over: promise, end: resolve }
    let isQuiet = false
    let late: AbortSignal | undefined
    try {
      const polling = { timeoutMs, everyMs: 5, ...(signal && { signal }) }
      const answered = await until(() => this.#asked === 0, polling)
      // The guest answers in turn, and has looked at all its streams between two answers.
      for (let round = 0; answered && round < 2; round++) {
        late = deadline(timeoutMs, signal)
        await hello(link, late)
      }
      isQuiet = answered
      return answered
    } catch (error) {
      signal?.throwIfAborted()
      if (link.closeReason) throw await this.#explain(this.#died(reasonOf(link.closeReason), error))
      if (late?.aborted) return false
      throw error
    } finally {
      if (!isQuiet) this.goOn()
    }
  }

  /** Makes the calls that {@link rest} has held. */
  goOn(): void {
    this.#rest?.end()
    this.#rest = undefined
  }

  /** `explain` turns the AGENT_DIED of a lost connection into the error that calls fail with. */
  explainLossBy(explain: (lost: KataError) => Promise<KataError>): void {
    this.#explain = explain
  }

  /** Connects a serial endpoint now. A vsock of either kind can be connected only once the guest listens. */
  async connectNow(signal?: AbortSignal): Promise<void> {
    const endpoint = this.#endpoint
    if (endpoint.kind !== 'serial') return
    const { socketPath } = endpoint
    const stop = deadline(socketTimeoutMs, signal)
    try {
      const transport = await retry(() => connectUnix(socketPath), dialIntervalMs, stop)
      const firstStreamId = randomStreamId()
      // The guest has never been without a host, and ends the connection that it still has by itself.
      if (this.#goesOn) await transport.write(takeOverFrame())
      const dropped = (bytes: number) => this.#log.warn('dropped stale bytes of the agent port', { bytes })
      this.#keep(connect(skipStaleBytes(transport, firstStreamId, dropped), { firstStreamId }))
    } catch (error) {
      signal?.throwIfAborted()
      throw this.#unreachable(socketTimeoutMs, error)
    }
  }

  /**
   * Waits until the agent answers Check.
   *
   * @throws KataError AGENT_UNREACHABLE after the timeout, AGENT_DIED when a serial port closes meanwhile.
   */
  async waitReady({ timeoutMs, signal }: WaitOptions): Promise<void> {
    const stop = deadline(timeoutMs, signal)
    try {
      // The first one may come along with what ended the connection before, and is lost then.
      if (this.#link) await hello(this.#link, stop, this.#goesOn ? againMs : helloIntervalMs)
      else this.#keep(await retry(() => this.#dial(stop), dialIntervalMs, stop))
    } catch (error) {
      signal?.throwIfAborted()
      if (!stop.aborted && this.#link?.closeReason) throw this.#died(reasonOf(this.#link.closeReason))
      throw this.#unreachable(timeoutMs, error)
    }
  }

  async #dial(stop: AbortSignal): Promise<ClientConnection> {
    const endpoint = this.#endpoint
    if (endpoint.kind === 'serial') throw new Error('the serial port is not connected')
    const handshake = deadline(handshakeTimeoutMs, stop)
    const transport =
      endpoint.kind === 'vsock'
        ? await dialVsock(endpoint.cid, endpoint.port, handshake)
        : await dialHybridVsock(endpoint.socketPath, endpoint.port, endpoint.uid, handshake)
    const link = connect(transport)
    try {
      await hello(link, stop)
      return link
    } catch (error) {
      link.close()
      throw error
    }
  }

  #keep(link: ClientConnection): void {
    this.#link = link
    void link.closed.then((reason) => this.#closed.resolve(this.#died(reasonOf(reason), reason)))
  }

  async #call(prefix: Uint8Array, payload: Uint8Array, options?: CallOptions): Promise<Uint8Array> {
    // Without a pause otherwise: a call that has begun counts.
    while (this.#rest !== undefined) await this.#rest.over
    const link = this.#link
    if (!link) throw new KataError('AGENT_NOT_READY', { endpoint: describeEndpoint(this.#endpoint) })
    const waits = waitsForEvent(prefix)
    if (!waits) this.#asked++
    try {
      return await link.call(prefix, payload, options)
    } catch (error) {
      if (error === link.closeReason) throw await this.#explain(this.#died(reasonOf(error), error))
      throw error instanceof TtrpcError ? harmless(error) : error
    } finally {
      if (!waits) this.#asked--
    }
  }

  #died(reason: string, cause?: unknown): KataError {
    return new KataError('AGENT_DIED', { endpoint: describeEndpoint(this.#endpoint), reason }, { cause })
  }

  #unreachable(timeoutMs: number, cause: unknown): KataError {
    const endpoint = describeEndpoint(this.#endpoint)
    return new KataError(
      'AGENT_UNREACHABLE',
      { endpoint, seconds: timeoutMs / 1000, reason: reasonOf(cause) },
      { cause },
    )
  }
}

/**
 * Connects before the guest boots. @throws KataError AGENT_UNREACHABLE when there is no socket after 5 s.
 */
export async function connectAgent(endpoint: AgentEndpoint, options: AgentOptions): Promise<AgentConnection> {
  const connection = new AgentConnection(endpoint, options)
  await connection.connectNow(options.signal)
  return connection
}

/** Asks again and again. The first answer counts, whichever question it answers. */
async function hello(link: ClientConnection, stop: AbortSignal, intervalMs = helloIntervalMs): Promise<void> {
  const answered = new AbortController()
  const signal = AbortSignal.any([stop, answered.signal])
  const health = createClient(HealthDefinition, link)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const ask = () =>
    void health.check({}, { signal }).then(({ status }) => {
      if (status === HealthCheckResponse_ServingStatus.SERVING) resolve()
    }, reject)
  ask()
  const timer = setInterval(ask, intervalMs)
  try {
    await promise
  } finally {
    clearInterval(timer)
    answered.abort()
  }
}

/** An odd number, far enough from the end of the range never to wrap. */
function randomStreamId(): number {
  return ((crypto.getRandomValues(new Uint32Array(1))[0]! >>> 2) | 1) >>> 0
}

function reasonOf(error: unknown): string {
  if (error instanceof TtrpcError && error.code === 'cancelled') return 'no answer'
  return error instanceof TtrpcError ? harmless(error).message : describeError(error)
}
