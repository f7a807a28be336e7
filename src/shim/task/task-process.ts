/** One process of a task as the client of the shim sees it: its state, its streams and how it ended. */

import { KataError } from '../../errors.ts'
import { SIGKILL } from '../../linux/processes/signal.ts'
import type { Logger } from '../../log.ts'
import { deathLine } from '../../sandbox/end/termination-message.ts'
import { lostExitStatus } from '../../sandbox/guest/exit-status.ts'
import type { GuestProcess, OutputStream, TerminalSize } from '../../sandbox/guest/guest-process.ts'
import { type HeldUp, neverHeldUp } from '../../sandbox/guest/health.ts'
import { placeBytes } from '../../sharing/stream-buffer.ts'
import { untilAborted, within } from '../../time.ts'
import { type CallContext, TtrpcError } from '../../ttrpc/ttrpc.ts'
import { AfterKill, type KillLimits, killLimits } from '../daemon/after-kill.ts'
import { openStreams, type Stdio, type Streams } from './open-streams.ts'
import type { InputSource, OutputSink } from './stdio.ts'

export type TaskState = 'created' | 'running' | 'paused' | 'stopped'

export interface TaskExit {
  readonly status: number
  readonly at: Date
}

/**
 * 0, which only asks whether there is a process, and those by which the kernel ends none (signal(7)): CHLD, CONT, URG and WINCH, which clients
 * pass on without thinking of it, and STOP, TSTP, TTIN, TTOU.
 */
const harmless: ReadonlySet<number> = new Set([0, 17, 18, 19, 20, 21, 22, 23, 28])
/** How long a reader may take for the line that tells a death, milliseconds. */
const deathLineMs = 1000
const newline = 0x0a
/** Bytes of output that are delivered at a time: of slow readers, a whole chunk would look like none. */
const mostDelivered = 1024 * 1024
/** Bytes that may still come after a kill: of each stream two chunks, which may be in the stream buffer, and a full pipe, of 1 MiB. */
const mostLeft = 2 * (2 * placeBytes + 1024 * 1024)

export class TaskProcess {
  readonly id: string
  readonly stdio: Stdio
  /** Settles once, when the process has ended and its output was delivered. */
  readonly exited: Promise<TaskExit>
  state: TaskState = 'created'
  exit: TaskExit | undefined
  /** The guest refused to start it, or it was removed before its start: it never ran. */
  failedToStart = false
  readonly guest: GuestProcess
  /** Resolves once the logging programs of its output have ended, see {@link Streams}. */
  logged: Promise<unknown> = Promise.resolve()
  readonly #namespace: string
  readonly #lost: AbortSignal
  readonly #log: Logger
  readonly #settle: (exit: TaskExit) => void
  /** Clients that wait for the end. A promise keeps all who have ever waited for it, and this process may live for a year. */
  readonly #waiting = new Set<(exit: TaskExit) => void>()
  readonly #afterKill: AfterKill
  readonly #onSurvived: () => void
  readonly #tellsDeath: boolean
  readonly #isExec: boolean
  readonly #inputReturns: (() => () => boolean) | undefined
  readonly #othersOver: (() => Promise<void>) | undefined
  /** Streams that ended within a line. */
  readonly #midLine = new Set<OutputStream>()
  /** Streams of which something was lost. */
  readonly #lossy = new Set<OutputStream>()
  readonly #unreadMs: number
  #starting: Promise<void> | undefined
  #input: InputSource | undefined
  #inputIsClosed = false
  #size: TerminalSize | undefined
  /** Once it has ended. */
  #left: { readonly sinks: Streams['sinks']; readonly closed: Promise<unknown> } | undefined

  /** `lost` is aborted when the machine is gone, which ends every process in it. */
  constructor(options: {
    id: string
    /** containerd's, which a logging program is told. */
    namespace: string
    stdio: Stdio
    guest: GuestProcess
    lost: AbortSignal
    log: Logger
    /** Whether the death of the machine, the reason of `lost`, is the last line of its error stream, or terminal. Default false. */
    tellsDeath?: boolean
    /** Whether a client that closed its end of stdin and said nothing may come back with more, see {@link openStreams}. Default never. */
    inputReturns?: () => () => boolean
    /** It is started in a container that runs. Default false. */
    isExec?: boolean
    /** Awaited before its end is told: ends that are to be told before. */
    othersOver?: () => Promise<void>
    /** Told once, when the guest has not ended the process in its time after SIGKILL. */
    onSurvived?: () => void
    limits?: KillLimits
    heldUp?: () => HeldUp
    /** See {@link AfterKill}. */
    waited?: () => number
  }) {
    const { promise, resolve } = Promise.withResolvers<TaskExit>()
    this.id = options.id
    this.#namespace = options.namespace
    this.stdio = options.stdio
    this.exited = promise
    this.guest = options.guest
    this.#lost = options.lost
    this.#log = options.log.child({ process: options.id })
    this.#settle = resolve
    this.#tellsDeath = options.tellsDeath ?? false
    this.#isExec = options.isExec ?? false
    this.#inputReturns = options.inputReturns
    this.#othersOver = options.othersOver
    this.#onSurvived = options.onSurvived ?? (() => {})
    const { limits = killLimits } = options
    this.#unreadMs = limits.stallMs
    this.#afterKill = new AfterKill(limits, options.heldUp ?? neverHeldUp, mostLeft, options.waited)
  }

  /** Opens the streams, starts the process and serves it until it ends. A process that cannot start is stopped. */
  async start(): Promise<void> {
    if (!this.isUntouched) {
      const state = this.state === 'created' ? 'starting' : this.state
      throw new KataError('TASK_STATE', { action: 'start', id: this.id, state })
    }
    const starting = this.#startNow().finally(() => {
      this.#starting = undefined
    })
    this.#starting = starting.catch(() => {})
    await starting
  }

  /** Whether nobody has asked for its start yet. */
  get isUntouched(): boolean {
    return this.state === 'created' && this.#starting === undefined
  }

  /** Settles once the start that is under way is over; undefined when none is. Never rejects. */
  get starting(): Promise<void> | undefined {
    return this.#starting
  }

  async #startNow(): Promise<void> {
    const owner = { namespace: this.#namespace, id: this.id }
    const { sinks, input, logged } = await openStreams(this.stdio, owner, this.#inputReturns)
    this.#input = input
    this.logged = logged
    try {
      await this.guest.start(this.stdio.terminal ? this.#size : undefined)
    } catch (error) {
      this.failedToStart = true
      await this.#end(lostExitStatus, sinks)
      throw error
    }
    this.state = 'running'
    void this.#serve(sinks)
  }

  /** {@link exited}, for a client who may give that up: nothing is kept of it then. */
  wait(call?: Pick<CallContext, 'onCancel'>): Promise<TaskExit> {
    const { exit } = this
    if (exit !== undefined) return Promise.resolve(exit)
    return new Promise((resolve) => {
      this.#waiting.add(resolve)
      call?.onCancel(() => this.#waiting.delete(resolve))
    })
  }

  /** `all`: {@link GuestProcess.signal}. */
  async signal(signal: number, all = false): Promise<void> {
    const starting = this.#starting
    // What starts an exec may hang by its container alone, as by a volume or a small quota. Its start has a limit of its own.
    if (signal === SIGKILL && starting !== undefined && !this.#isExec) this.#limit(starting)
    // One that is being started runs in the guest before its state says so: a signal that did not wait would miss it. Any other is not waited for, or
    // its start could begin meanwhile, and what was ended here would run.
    if (starting !== undefined) await starting
    // Its guest lost its machine for that: what was asked for is done.
    if (this.failedToStart && signal === SIGKILL && this.#lost.aborted) return
    if (this.state === 'stopped') throw new KataError('TASK_NOT_FOUND', { id: `running process ${this.id}` })
    // A process that was never started has nobody to signal; what would kill it just ends it.
    if (this.state === 'created') return harmless.has(signal) ? undefined : this.#end(128 + signal, [])
    if (signal !== SIGKILL) return this.#tell(signal, all)
    this.#afterKill.killed()
    // A guest that does not answer loses its machine, and with it the process: what was asked for is done then.
    await Promise.race([this.exited, this.#tell(signal)]).catch((error) => {
      if (!this.#lost.aborted) throw error
    })
  }

  /** A guest that is lost takes the process with it, which the client learns as its end, and not as a failure of the signal. */
  async #tell(signal: number, all?: boolean): Promise<void> {
    try {
      await this.guest.signal(signal, all)
    } catch (error) {
      if (!isLoss(error)) throw error
      await this.exited
    }
  }

  /** A container that is killed while it starts is not waited for longer than one that runs. */
  #limit(starting: Promise<void>): void {
    this.#afterKill.killed()
    void this.#afterKill
      .overdue()
      .then((isLate) => isLate && this.#starting === starting && this.#onSurvived())
  }

  /**
   * To be called when it is removed: a Wait for a process that was never started has its answer then. What nobody has read of the output of
   * another a while later is given up, with the descriptors and the memory that it takes.
   */
  removed(): void {
    if (this.isUntouched) {
      this.failedToStart = true
      void this.#end(lostExitStatus, [])
    } else void this.exited.then(() => this.#abandonLater())
  }

  async #abandonLater(): Promise<void> {
    if (this.#left === undefined) return
    const { sinks, closed } = this.#left
    if ((await within(closed, this.#unreadMs)) !== undefined) return
    for (const [, sink] of sinks) sink.abandon?.()
  }

  /** To be told once its container has ended, by which it was killed: its end is told then, though a reader may have stopped reading. */
  killedWithContainer(): void {
    this.#afterKill.killed()
  }

  /** To be told once every process of the container was killed: from now on a reader that does not read is not waited for. */
  endIsNear(): void {
    this.#afterKill.ending()
  }

  /**
   * Before the start the size is kept for it. A client without a real terminal sends 0x0, which means nothing, and so does any size for a
   * process without one, as with runc's shim.
   */
  async resize(rows: number, columns: number): Promise<void> {
    if (rows === 0 || columns === 0 || !this.stdio.terminal) return
    await this.#starting
    if (this.state === 'created') this.#size = { rows, columns }
    // The terminal of what is paused is the guest agent's, which is not.
    if (this.state !== 'running' && this.state !== 'paused') return
    await this.guest.resize({ rows, columns }).catch((error) => {
      if (!hasNoTerminal(error)) throw error
    })
  }

  /** A client may say so before the process runs and has read any of it. */
  closeInput(): void {
    this.#inputIsClosed = true
    if (this.state !== 'created') this.#input?.finish()
  }

  /** The guest is asked how the process ended once its output is at its end, because the answer closes it. */
  async #serve(sinks: Streams['sinks']): Promise<void> {
    const outputs = Promise.all(sinks.map(([stream, sink]) => this.#pump(stream, sink)))
    // Without a stdin the process reads an empty one; a terminal is never closed under it.
    const { terminal: isTerminal } = this.stdio
    const input = this.#input?.chunks ?? (isTerminal ? undefined : nothing())
    if (input !== undefined) {
      this.guest.input(input, { isTerminal }).catch((error) => this.#log.warn('input ended early', { error }))
    }
    if (this.#inputIsClosed) this.#input?.finish()
    using loss = untilAborted(this.#lost)
    const lost = loss.aborted.then(() => lostExitStatus)
    await Promise.race([outputs, lost, this.#afterKill.drained(() => this.state === 'stopped')])
    void this.#afterKill.overdue().then((isLate) => isLate && this.state !== 'stopped' && this.#onSurvived())
    const status = await Promise.race([this.guest.wait(), lost]).catch((error) => {
      this.#log.error('wait failed', { error })
      // What became of the machine is reported before the ends of its processes.
      return isLoss(error) ? lost : lostExitStatus
    })
    if (this.#tellsDeath) await this.#tellDeath(sinks)
    await this.#othersOver?.()
    await this.#end(status, sinks)
  }

  async #pump(stream: OutputStream, sink: OutputSink): Promise<void> {
    try {
      await this.guest.output(stream, async (chunk) => {
        this.#afterKill.received()
        for (let at = 0; at < chunk.length; at += mostDelivered) {
          const piece = chunk.subarray(at, at + mostDelivered)
          await this.#deliver(stream, sink, piece)
          this.#afterKill.delivered(piece.length)
        }
      })
    } catch (error) {
      this.#log.warn('output ended early', { stream, error })
      // Its last line is to come.
      if (isLoss(error)) return
    }
    await sink.close().catch(() => {})
  }

  /** A disk that is full for a while must not stop the process, which would wait in its write once nobody reads: the chunk is lost. */
  async #deliver(stream: OutputStream, sink: OutputSink, chunk: Uint8Array): Promise<void> {
    try {
      await sink.write(chunk)
    } catch (error) {
      if (!this.#lossy.has(stream)) this.#log.warn('output is lost', { stream, error })
      this.#lossy.add(stream)
      return
    }
    if ((chunk.at(-1) ?? newline) === newline) this.#midLine.delete(stream)
    else this.#midLine.add(stream)
  }

  /** A client that shows no more of an end than its status, as containerd's CRI, shows this line. */
  async #tellDeath(sinks: Streams['sinks']): Promise<void> {
    const death: unknown = this.#lost.reason
    const [stream, sink] = sinks.at(-1)!
    if (!(death instanceof KataError)) return
    const end = this.stdio.terminal ? '\r\n' : '\n'
    const line = `${this.#midLine.has(stream) ? end : ''}${deathLine(death)}${end}`
    await within(sink.write(Buffer.from(line)), deathLineMs).catch((error) =>
      this.#log.warn('its end was not told', { stream, error }),
    )
  }

  async #end(status: number, sinks: Streams['sinks']): Promise<void> {
    this.#afterKill.ended()
    this.#input?.cancel()
    // Not waited for: its reader may never come back.
    const closing = sinks.map(([, sink]) => sink.close().catch(() => {}))
    this.#left = { sinks, closed: Promise.all(closing) }
    this.state = 'stopped'
    this.exit = { status, at: new Date() }
    this.#settle(this.exit)
    for (const tell of this.#waiting) tell(this.exit)
    this.#waiting.clear()
  }
}

/** Whether the guest is gone, and has not merely refused to tell. */
const isLoss = (error: unknown): boolean =>
  error instanceof KataError && (error.code === 'SANDBOX_DIED' || error.code === 'AGENT_DIED')

/** Whether the guest has let go of the terminal: the process has ended, which is told here a moment later. */
const hasNoTerminal = (error: unknown): boolean =>
  error instanceof TtrpcError &&
  error.isAnswer &&
  (error.code === 'not_found' || error.code === 'unavailable')

async function* nothing(): AsyncGenerator<Uint8Array> {}
