/** Brings events to containerd: one at a time, in their order, and across its restarts. */
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
  /** Resolves when all that was queued has arrived or was given up, at the latest after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>
}

export interface PublisherOptions {
  /** containerd's ttrpc socket. */
  readonly address: string
  readonly namespace: string
  readonly log: Logger
  /** How long an event is worth telling, milliseconds: a containerd that starts again asks for the state itself. */
  readonly keepMs?: number
}

/** More events than this wait only for a containerd that is gone; the oldest are given up first. */
const maxQueued = 1024
const answerMs = 5000
const longestPauseMs = 1000

/** For a client that wants no events: the command line. */
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
    // The first one is being sent.
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

  /** Tries until containerd has taken the event, refused it, or its time is over. */
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

/** What a containerd says that is stopped or busy. The next one may take the event. */
const passing: ReadonlySet<string> = new Set(['unavailable', 'deadline_exceeded', 'cancelled'])

/** containerd has answered, and will answer the same again. */
const isRefusal = (error: unknown): boolean => error instanceof TtrpcError && !passing.has(error.code)
