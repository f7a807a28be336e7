/** A process of a task as the client of the shim sees it: its state, its streams and its end. */

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
 * Signals that end no process (signal(7)): 0, which only asks whether the process exists; CHLD, CONT, URG and WINCH, which clients forward
 * routinely; STOP, TSTP, TTIN and TTOU.
 */
const harmless: ReadonlySet<number> = new Set([0, 17, 18, 19, 20, 21, 22, 23, 28])
/** Time for a reader to take the line that reports a death, milliseconds. */
const deathLineMs = 1000
const newline = 0x0a
/** Most bytes in one delivery. With larger ones, a slow reader would look as if it did not read at all. */
const mostDelivered = 1024 * 1024
/** Most bytes that may still come after a kill. Each stream has two chunks, which may be in the stream buffer, and a full pipe of 1 MiB. */
const mostLeft = 2 * (2 * placeBytes + 1024 * 1024)

export class TaskProcess {
  readonly id: string
  readonly stdio: Stdio
  /** Settles once, when the process has ended and its output was delivered. */
  readonly exited: Promise<TaskExit>
  state: TaskState = 'created'
  exit: TaskExit | undefined
  /** The process never ran: the guest refused to start it, or it was removed before its start. */
  failedToStart = false
  readonly guest: GuestProcess
  /** Resolves once the logging programs have ended, see {@link Streams}. */
  logged: Promise<unknown> = Promise.resolve()
  readonly #namespace: string
  readonly #lost: AbortSignal
  readonly #log: Logger
  readonly #settle: (exit: TaskExit) => void
  /**
   * Clients that wait for the end. They are not kept by a promise, which would keep every client that has ever waited, and a process may live
   * for a year.
   */
  readonly #waiting = new Set<(exit: TaskExit) => void>()
  readonly #afterKill: AfterKill
  readonly #onSurvived: () => void
  readonly #tellsDeath: boolean
  readonly #isExec: boolean
  readonly #inputReturns: (() => () => boolean) | undefined
  readonly #othersOver: (() => Promise<void>) | undefined
  /** Streams whose last byte was not the end of a line. */
  readonly #midLine = new Set<OutputStream>()
  /** Streams that have lost output. */
  readonly #lossy = new Set<OutputStream>()
  readonly #unreadMs: number
  #starting: Promise<void> | undefined
  #input: InputSource | undefined
  #inputIsClosed = false
  #size: TerminalSize | undefined
  /** The outputs after the end, until they are closed. */
  #left: { readonly sinks: Streams['sinks']; readonly closed: Promise<unknown> } | undefined

  /** `lost` is aborted when the machine is gone, which ends every process in it. */
  constructor(options: {
    id: string
    /** containerd's namespace, for logging programs. */
    namespace: string
    stdio: Stdio
    guest: GuestProcess
    lost: AbortSignal
    log: Logger
    /** Whether the last line of stderr, or of the terminal, reports the machine's death (the reason of `lost`). Default false. */
    tellsDeath?: boolean
    /** Whether a client that closed its end of stdin without CloseIO may come back with more input, see {@link openStreams}. Default never. */
    inputReturns?: () => () => boolean
    /** Whether the process is an exec, which starts in a running container. Default false. */
    isExec?: boolean
    /** Awaited before the end is reported, because other ends have to be reported first. */
    othersOver?: () => Promise<void>
    /** Called once if the guest has not ended the process in time after SIGKILL. */
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

  /** Opens the streams, starts the process and serves it until it ends. A process that cannot start becomes stopped. */
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

  /** Whether no start was requested yet. */
  get isUntouched(): boolean {
    return this.state === 'created' && this.#starting === undefined
  }

  /** Settles when the start that is under way is over; undefined if none is. Never rejects. */
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

  /** As {@link exited}, for a client who may stop waiting. Then nothing of the client is kept. */
  wait(call?: Pick<CallContext, 'onCancel'>): Promise<TaskExit> {
    const { exit } = this
    if (exit !== undefined) return Promise.resolve(exit)
    return new Promise((resolve) => {
      this.#waiting.add(resolve)
      call?.onCancel(() => this.#waiting.delete(resolve))
    })
  }

  /** Sends a signal. `all`: see {@link GuestProcess.signal}. @throws KataError TASK_NOT_FOUND if the process has ended; errors of the guest. */
  async signal(signal: number, all = false): Promise<void> {
    const starting = this.#starting
    // An exec is not limited: its start may hang because of its container alone (a volume, a small quota), and has a limit of its own.
    if (signal === SIGKILL && starting !== undefined && !this.#isExec) this.#limit(starting)
    // A process that is being started runs in the guest before its state says so, and a signal that did not wait would miss it. Without a start
    // under way there must be no wait here: a start could begin meanwhile, and a process that was ended here would run.
    if (starting !== undefined) await starting
    // The kill took the machine from the guest, and so did its work.
    if (this.failedToStart && signal === SIGKILL && this.#lost.aborted) return
    if (this.state === 'stopped') throw new KataError('TASK_NOT_FOUND', { id: `running process ${this.id}` })
    // A process that was never started has nothing to signal. A signal that would kill it just ends it.
    if (this.state === 'created') return harmless.has(signal) ? undefined : this.#end(128 + signal, [])
    if (signal !== SIGKILL) return this.#tell(signal, all)
    this.#afterKill.killed()
    // A guest that does not answer loses its machine and with it the process, so the kill has done its work.
    await Promise.race([this.exited, this.#tell(signal)]).catch((error) => {
      if (!this.#lost.aborted) throw error
    })
  }

  /** Sends the signal to the guest. If the guest is lost, the process ends with it: the client learns that as an end, not as an error. */
  async #tell(signal: number, all?: boolean): Promise<void> {
    try {
      await this.guest.signal(signal, all)
    } catch (error) {
      if (!isLoss(error)) throw error
      await this.exited
    }
  }

  /** Limits how long the end of a container that is killed during its start may take, as for a running one. */
  #limit(starting: Promise<void>): void {
    this.#afterKill.killed()
    void this.#afterKill
      .overdue()
      .then((isLate) => isLate && this.#starting === starting && this.#onSurvived())
  }

  /**
   * To be called when the process is removed. If it was never started, its Waits get their answer now. Otherwise output that its reader has not
   * read after a while is given up, to free descriptors and memory.
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

  /** To be called when the container has ended and so killed the process. Its end is then reported even if a reader has stopped reading. */
  killedWithContainer(): void {
    this.#afterKill.killed()
  }

  /** To be called when every process of the container was killed. From now on, readers that do not read are not waited for. */
  endIsNear(): void {
    this.#afterKill.ending()
  }

  /**
   * Sets the terminal's size; before the start the size is kept. A client without a real terminal sends 0x0, which is ignored, as is any size
   * for a process without a terminal (like runc's shim).
   */
  async resize(rows: number, columns: number): Promise<void> {
    if (rows === 0 || columns === 0 || !this.stdio.terminal) return
    await this.#starting
    if (this.state === 'created') this.#size = { rows, columns }
    // A paused container can be resized: its terminals belong to the guest agent, which is not paused.
    if (this.state !== 'running' && this.state !== 'paused') return
    await this.guest.resize({ rows, columns }).catch((error) => {
      if (!hasNoTerminal(error)) throw error
    })
  }

  /** Closes stdin, once all of it was read. A client may ask for that before the process has started. */
  closeInput(): void {
    this.#inputIsClosed = true
    if (this.state !== 'created') this.#input?.finish()
  }

  /**
   * Copies input and output until the process ends. The guest is asked for the exit code only after the end of the output, because its answer
   * closes the output.
   */
  async #serve(sinks: Streams['sinks']): Promise<void> {
    const outputs = Promise.all(sinks.map(([stream, sink]) => this.#pump(stream, sink)))
    // Without stdin, the process gets an empty one. A terminal's input is never closed.
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
      // The machine's fate is reported before the ends of its processes.
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
      // The stream stays open, because the line about the death is still to come.
      if (isLoss(error)) return
    }
    await sink.close().catch(() => {})
  }

  /** Delivers a chunk. If the disk is full, the chunk is lost: waiting would block the process in its next write. */
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

  /**
   * Writes the reason of the machine's death to the last stream, for clients that otherwise show only an exit code, such as containerd's CRI.
   */
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
    // The closing is not awaited, because a reader may never come back.
    const closing = sinks.map(([, sink]) => sink.close().catch(() => {}))
    this.#left = { sinks, closed: Promise.all(closing) }
    this.state = 'stopped'
    this.exit = { status, at: new Date() }
    this.#settle(this.exit)
    for (const tell of this.#waiting) tell(this.exit)
    this.#waiting.clear()
  }
}

/** Whether the guest is gone, as opposed to an error that it answered. */
const isLoss = (error: unknown): boolean =>
  error instanceof KataError && (error.code === 'SANDBOX_DIED' || error.code === 'AGENT_DIED')

/** Whether the guest has closed the terminal because the process has ended, which is noticed here a moment later. */
const hasNoTerminal = (error: unknown): boolean =>
  error instanceof TtrpcError &&
  error.isAnswer &&
  (error.code === 'not_found' || error.code === 'unavailable')

async function* nothing(): AsyncGenerator<Uint8Array> {}
