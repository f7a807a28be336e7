/** The machines of a pool: those that wait or are being made, and those that are ending. */
import type { Logger } from '../../log.ts'
import { type Clock, within } from '../../time.ts'
import { Backoff } from './backoff.ts'

/** A machine that was asked for, until a pod has taken it or it has ended. */
export interface PooledMachine {
  /** Settles with whether it came to wait, at the latest when it is gone. */
  readonly ready: Promise<boolean>
  /** Settles when it is the pool’s no more. */
  readonly gone: Promise<void>
  /** Asks it to end. */
  end(): void
}

/** After a pod has taken a machine, as another one may be about to come; and after a failure, milliseconds. */
export const pauses = { takenMs: 2000, failedMs: 5000, longestMs: 300_000 } as const

/** Far more than a start may take by any configuration: a shim that is not ready by then hangs, milliseconds. */
export const makeMs = 1_800_000
/** How long machines may take to end before the caller has to see to it, milliseconds. */
const endMs = 20_000

export interface PoolMachinesParts {
  /** Starts a machine that is to wait. @throws errors of the system. */
  readonly start: () => PooledMachine
  readonly clock: Clock
  readonly log: Logger
  /** Ends the one that is being made. */
  readonly signal: AbortSignal
}

export class PoolMachines {
  readonly #parts: PoolMachinesParts
  readonly #kept = new Set<PooledMachine>()
  readonly #leaving = new Set<PooledMachine>()
  readonly #asked = new WeakSet<PooledMachine>()
  readonly #making: Backoff

  constructor(parts: PoolMachinesParts) {
    this.#parts = parts
    this.#making = new Backoff(parts.clock, { firstMs: pauses.failedMs, longestMs: pauses.longestMs })
  }

  /** How many wait, or are being made. */
  get held(): number {
    return this.#kept.size
  }

  /** How many in a row did not come to wait. */
  get failures(): number {
    return this.#making.failures
  }

  /** Whether another one may be made now. */
  get isDue(): boolean {
    return this.#making.isDue
  }

  /** Settles once a new machine waits, or does not come to. A host that can start no process now is asked again later. */
  async add(): Promise<void> {
    try {
      await this.#add(this.#parts.start())
    } catch (error) {
      this.#failed({ error })
    }
  }

  async #add(machine: PooledMachine): Promise<void> {
    const { signal } = this.#parts
    this.#kept.add(machine)
    void machine.gone.then(() => {
      if (this.#kept.delete(machine)) this.#making.pause(pauses.takenMs)
    })
    const stop = () => this.#end(machine)
    signal.addEventListener('abort', stop, { once: true })
    const isReady = await this.#readyInTime(machine)
    signal.removeEventListener('abort', stop)
    if (isReady) this.#making.worked()
    // One that was asked to end has not failed.
    else if (!this.#asked.has(machine)) {
      this.#failed()
      this.#end(machine)
    }
  }

  #readyInTime(machine: PooledMachine): Promise<boolean> {
    const over = new AbortController()
    const late = this.#parts.clock.sleep(makeMs, over.signal).then(() => false)
    late.catch(() => {})
    return Promise.race([machine.ready, late]).finally(() => over.abort())
  }

  #failed(why: { readonly error?: unknown } = {}): void {
    const pauseMs = this.#making.failed()
    const { failures } = this
    this.#parts.log.warn('no machine came to wait', { failures, nextTryInSeconds: pauseMs / 1000, ...why })
  }

  #end(machine: PooledMachine): void {
    this.#asked.add(machine)
    machine.end()
  }

  endAll(): void {
    for (const machine of this.#kept) {
      this.#end(machine)
      this.#leaving.add(machine)
      void machine.gone.then(() => this.#leaving.delete(machine))
    }
    this.#kept.clear()
  }

  /** Settles once those that were asked to end have ended, at the latest after 20 s. */
  async allGone(): Promise<void> {
    await within(Promise.all([...this.#leaving].map(({ gone }) => gone)), endMs)
  }
}
