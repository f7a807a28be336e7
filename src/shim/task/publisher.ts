/** Delivers events to containerd, one at a time and in order, even if containerd restarts. */
import type { Logger } from '../../log.ts'
import { type Envelope, EventsDefinition } from '../../protocol/generated/containerd/events.ts'
import { toTimestamp } from '../../protocol/timestamp.ts'
import { realClock, sleep, within } from '../../time.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import { type ClientConnection, connect, createClient, TtrpcError } from '../../ttrpc/ttrpc.ts'
import type { TaskEvent } from './events.ts'

export interface EventPublisher {
  /** Queues an event; returns at once. */
  publish(event: TaskEvent): void
  /** Resolves when all queued events were delivered or given up, after `timeoutMs` at the latest. */
  flush(timeoutMs: number): Promise<void>
}

export interface PublisherOptions {
  /** containerd's ttrpc socket. */
  readonly address: string
  readonly namespace: string
  readonly log: Logger
  /** How long an event is kept, milliseconds. After a longer absence, containerd asks for the state itself. */
  readonly keepMs?: number
}

/** Most queued events; so many wait only if containerd is gone. The oldest are given up first. */
const maxQueued = 1024
const answerMs = 5000
const longestPauseMs = 1000

/** For a client that wants no events. */
export const noEvents: EventPublisher = { publish: () => {}, flush: async () => {} }

export function createPublisher(options: PublisherOptions): EventPublisher {
  return new Publisher(options)
}

interface Queued {
  readonly envelope: Envelope
  readonly until: number
}

class Publisher implements EventPublisher {
  readonly #options: PublisherOptions
  readonly #queue: Queued[] = []
  #connection: ClientConnection | undefined
  #draining: Promise<void> | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  publish({ topic, event }: TaskEvent): void {
    const { namespace, keepMs = 120_000, log } = this.#options
    const envelope = { timestamp: toTimestamp(new Date()), namespace, topic, event }
    this.#queue.push({ envelope, until: realClock.now() + keepMs })
    // The first event stays, because it is being sent.
    if (this.#queue.length > maxQueued)
      log.warn('event given up', { topic: this.#queue.splice(1, 1)[0]!.envelope.topic })
    this.#draining ??= this.#drain()
  }

  async flush(timeoutMs: number): Promise<void> {
    if (this.#draining === undefined) return
    await within(this.#draining, timeoutMs)
  }

  async #drain(): Promise<void> {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      await this.#deliver(first)
      this.#queue.shift()
    }
    this.#draining = undefined
  }

  /** Retries until containerd has taken or refused the event, or its time is over. */
  async #deliver({ envelope, until }: Queued): Promise<void> {
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        const connection = await this.#connect()
        await createClient(EventsDefinition, connection).forward({ envelope }, { timeoutMs: answerMs })
        return
      } catch (error) {
        if (isRefusal(error) || realClock.now() > until) {
          this.#options.log.warn('event given up', { topic: envelope.topic, error })
          return
        }
        this.#connection?.close()
        this.#connection = undefined
        await sleep(pauseMs)
      }
    }
  }

  async #connect(): Promise<ClientConnection> {
    if (this.#connection === undefined || this.#connection.closeReason !== undefined)
      this.#connection = connect(await connectUnix(this.#options.address))
    return this.#connection
  }
}

/** Codes from a containerd that is stopping or busy. A retry may succeed. */
const passing: ReadonlySet<string> = new Set(['unavailable', 'deadline_exceeded', 'cancelled'])

/** Whether containerd has answered in a way that a retry would not change. */
const isRefusal = (error: unknown): boolean => error instanceof TtrpcError && !passing.has(error.code)
