/** One process of a task as the client of the shim sees it: its state, its streams and how it ended. */
import { KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { GuestProcess, OutputStream, TerminalSize } from '../sandbox/guest-process.ts'
import { type InputSource, type OutputSink, openInput, openOutput } from './stdio.ts'
import { untilAborted } from './until-aborted.ts'

export type TaskState = 'created' | 'running' | 'paused' | 'stopped'

/** Standard streams by URI, as the client named them. */
export interface Stdio {
  readonly stdin: string
  readonly stdout: string
  readonly stderr: string
  readonly terminal: boolean
}

export interface TaskExit {
  readonly status: number
  readonly at: Date
}

/** Reported when nobody can know how a process ended, because its machine is gone (Kata uses the same number). */
export const lostExitStatus = 255
/** How long the loss of a machine may take to be known after its connection broke, milliseconds. */
const lossKnownMs = 2000
/** How long an output may make no progress after the process was killed before we stop serving it. */
const drainStallMs = 10_000
const sigkill = 9

export class TaskProcess {
  readonly id: string
  readonly stdio: Stdio
  /** Settles once, when the process has ended and its output was delivered. */
  readonly exited: Promise<TaskExit>
  state: TaskState = 'created'
  exit: TaskExit | undefined
  /** The guest refused to start it: it never ran. */
  failedToStart = false
  readonly guest: GuestProcess
  readonly #lost: AbortSignal
  readonly #log: Logger
  readonly #settle: (exit: TaskExit) => void
  readonly #killed = Promise.withResolvers<void>()
  readonly #stallMs: number
  #input: InputSource | undefined
  #inputIsClosed = false
  #lastOutput = 0
  #size: TerminalSize | undefined

  /** `lost` is aborted when the machine is gone, which ends every process in it. */
  constructor(options: {
    id: string
    stdio: Stdio
    guest: GuestProcess
    lost: AbortSignal
    log: Logger
    /** How long the output of a process that was killed may make no progress, milliseconds. */
    stallMs?: number
  }) {
    const { promise, resolve } = Promise.withResolvers<TaskExit>()
    this.id = options.id
    this.stdio = options.stdio
    this.exited = promise
    this.guest = options.guest
    this.#lost = options.lost
    this.#log = options.log.child({ process: options.id })
    this.#settle = resolve
    this.#stallMs = options.stallMs ?? drainStallMs
  }

  /** Opens the streams, starts the process and serves it until it ends. A process that cannot start is stopped. */
  async start(): Promise<void> {
    if (this.state !== 'created')
      throw new KataError('TASK_STATE', { action: 'start', id: this.id, state: this.state })
    const sinks = this.#openSinks()
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

  async signal(signal: number): Promise<void> {
    if (this.state === 'stopped') throw new KataError('TASK_NOT_FOUND', { id: `running process ${this.id}` })
    // A process that was never started has nobody to signal; killing it just ends it.
    if (this.state === 'created') return this.#end(128 + signal, [])
    await this.guest.signal(signal)
    if (signal === sigkill) this.endIsNear()
  }

  /** To be told once every process of the container was killed: from now on a reader that does not read is not waited for. */
  endIsNear(): void {
    this.#killed.resolve()
  }

  /** Before the start the size is kept for it. A client without a real terminal sends 0x0, which means nothing. */
  async resize(rows: number, columns: number): Promise<void> {
    if (rows === 0 || columns === 0) return
    if (this.state === 'created') this.#size = { rows, columns }
    if (this.state === 'running') await this.guest.resize({ rows, columns })
  }

  /** A client may say so before the process runs and has read any of it. */
  closeInput(): void {
    this.#inputIsClosed = true
    if (this.state !== 'created') this.#input?.finish()
  }

  #openSinks(): [OutputStream, OutputSink][] {
    const sinks: [OutputStream, OutputSink][] = [['stdout', openOutput(this.stdio.stdout)]]
    // A terminal has one stream only.
    if (!this.stdio.terminal) sinks.push(['stderr', openOutput(this.stdio.stderr)])
    this.#input = openInput(this.stdio.stdin)
    return sinks
  }

  /** The guest is asked how the process ended once its output is at its end, because the answer closes it. */
  async #serve(sinks: [OutputStream, OutputSink][]): Promise<void> {
    const outputs = Promise.all(sinks.map(([stream, sink]) => this.#pump(stream, sink)))
    // Without a stdin the process reads an empty one; a terminal is never closed under it.
    const input = this.#input?.chunks ?? (this.stdio.terminal ? undefined : nothing())
    if (input !== undefined) {
      this.guest.input(input).catch((error) => this.#log.debug('stdin ended', { reason: String(error) }))
    }
    if (this.#inputIsClosed) this.#input?.finish()
    using loss = untilAborted(this.#lost)
    const lost = loss.aborted.then(() => lostExitStatus)
    await Promise.race([outputs, lost, this.#killedAndStalled()])
    const status = await Promise.race([this.guest.wait(), lost]).catch((error) => {
      this.#log.error('wait failed', { error: String(error) })
      // The connection breaks a moment before it is known what became of the machine, which is reported first.
      return Promise.race([lost, Bun.sleep(lossKnownMs).then(() => lostExitStatus)])
    })
    await this.#end(status, sinks)
  }

  async #pump(stream: OutputStream, sink: OutputSink): Promise<void> {
    try {
      await this.guest.output(stream, async (chunk) => {
        await sink.write(chunk)
        this.#lastOutput = Date.now()
      })
    } catch (error) {
      this.#log.warn('output ended early', { stream, error: String(error) })
    } finally {
      await sink.close().catch(() => {})
    }
  }

  /** A reader that does not read holds the end of its process back, but not for ever that of one that was killed. */
  async #killedAndStalled(): Promise<void> {
    await this.#killed.promise
    this.#lastOutput = Date.now()
    while (this.state !== 'stopped' && Date.now() - this.#lastOutput < this.#stallMs) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(250, this.#stallMs)).unref())
    }
  }

  async #end(status: number, sinks: [OutputStream, OutputSink][]): Promise<void> {
    this.#input?.cancel()
    // A sink whose reader never comes back is abandoned rather than waited for.
    for (const [, sink] of sinks) void sink.close().catch(() => {})
    this.state = 'stopped'
    this.exit = { status, at: new Date() }
    this.#settle(this.exit)
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
