/** A process of {@link startKataAgent}, the double of Kata's agent: a process of this host with real pipes. */
import { accessSync, existsSync, constants as fileConstants } from 'node:fs'
import { constants } from 'node:os'
import { TtrpcError } from '../ttrpc/ttrpc.ts'

/** EACCES: Kata's agent exits with this code for a file that it found and cannot execute. */
const cannotExecute = 13

export class ProcessDouble {
  readonly stdout: OutputDouble
  readonly stderr: OutputDouble
  readonly exited: Promise<number>
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'pipe'> | undefined
  readonly #hasTerminal: boolean

  constructor(
    { args, env, terminal }: { args: readonly string[]; env: readonly string[]; terminal: boolean },
    drainMs: number,
  ) {
    this.#hasTerminal = terminal
    const program = ProcessDouble.find(args[0] ?? '')
    if (program === undefined || !isExecutable(program)) {
      this.exited = Promise.resolve(cannotExecute)
      this.stdout = new OutputDouble(new Response('').body!, this.exited, drainMs)
      this.stderr = new OutputDouble(new Response('').body!, this.exited, drainMs)
      return
    }
    const child = Bun.spawn([program, ...args.slice(1)], {
      env: { ...process.env, ...Object.fromEntries(env.map((entry) => entry.split('=', 2))) },
      stdio: ['pipe', 'pipe', 'pipe'],
      // Its children go with it when the test is over.
      detached: true,
    })
    this.#child = child
    this.exited = child.exited
    this.stdout = new OutputDouble(child.stdout, this.exited, drainMs)
    this.stderr = new OutputDouble(child.stderr, this.exited, drainMs)
  }

  /** Looks like the agent: in PATH, or at the path itself. */
  static find(program: string): string | undefined {
    if (!program.includes('/')) return Bun.which(program) ?? undefined
    return existsSync(program) ? program : undefined
  }

  signal(signal: number): void {
    this.#child?.kill(signal)
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#child?.stdin.write(bytes)
    await this.#child?.stdin.flush()
  }

  /** The agent closes the terminal with its input (rustjail's process.rs), which hangs it up. */
  closeInput(): void {
    if (this.#hasTerminal) this.signal(constants.signals.SIGHUP)
    void this.#child?.stdin.end()
  }

  /** Closes its streams. Unread output is lost. */
  close(): void {
    this.stdout.close()
    this.stderr.close()
    this.closeInput()
  }

  /** Ends it with all its children. */
  end(): void {
    this.close()
    this.endChildren()
  }

  /** With itself, if it is still there. */
  endChildren(): void {
    try {
      if (this.#child !== undefined) process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // None of them is left.
    }
  }
}

export class OutputDouble {
  readonly #reader: { read(): Promise<{ value?: Uint8Array | undefined }>; cancel(): Promise<void> }
  readonly #exited: Promise<unknown>
  readonly #drainMs: number
  #next: Promise<Uint8Array> | undefined
  #rest: Uint8Array = new Uint8Array(0)
  #hasEnded = false
  #isClosed = false

  constructor(stream: ReadableStream<Uint8Array>, exited: Promise<unknown>, drainMs: number) {
    this.#reader = stream.getReader()
    this.#exited = exited
    this.#drainMs = drainMs
    void exited.then(() => {
      this.#hasEnded = true
    })
  }

  /**
   * Some bytes, or none at the end. A read that is waiting when the process ends gets the end a moment later, even if the pipe is open
   * elsewhere. A later read does not.
   */
  async read(length: number): Promise<Uint8Array> {
    if (this.#isClosed) throw new TtrpcError('internal', 'cannot get stream reader')
    if (this.#rest.length === 0) {
      this.#next ??= this.#reader.read().then(({ value }) => value ?? new Uint8Array(0))
      const ended = this.#hasEnded ? [] : [this.#exited.then(() => Bun.sleep(this.#drainMs))]
      const chunk = await Promise.race([this.#next, ...ended])
      if (this.#isClosed) throw new TtrpcError('internal', 'cannot get stream reader')
      if (chunk === undefined) return new Uint8Array(0)
      this.#next = undefined
      this.#rest = chunk
    }
    const some = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    return some
  }

  close(): void {
    this.#isClosed = true
    void this.#reader.cancel().catch(() => {})
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, fileConstants.X_OK)
    return true
  } catch {
    return false
  }
}
