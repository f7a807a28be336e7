/** A process in the guest behind the agent's calls. An empty exec id means the container's init process. */
import { constants } from 'node:os'
import type { AgentClient } from '../../agent/client.ts'
import { type InputOptions, pumpInput } from '../../agent/input.ts'
import { pumpOutput } from '../../agent/output.ts'
import { exitStatusOf } from './exit-status.ts'
import type { GuestProcess, OutputStream, TerminalSize } from './guest-process.ts'

const { SIGKILL } = constants.signals

/** How a process's streams go, and what follows them. */
export interface ProcessOptions extends Pick<InputOptions, 'inOrder' | 'lendPlace'> {
  /** Awaited before the end is reported. */
  readonly afterEnd?: (() => Promise<void>) | undefined
}

export class AgentProcess implements GuestProcess {
  readonly #agent: AgentClient
  readonly #ids: { containerId: string; execId: string }
  readonly #launch: (size?: TerminalSize) => Promise<unknown>
  readonly #options: ProcessOptions
  /** Ends the calls that a guest leaves without an answer after the process has ended. They would pile up, process by process. */
  readonly #over = new AbortController()

  /**
   * `launch` is the call that starts it, StartContainer or ExecProcess. It may tell the size of the terminal that the call makes.
   */
  constructor(
    agent: AgentClient,
    ids: { containerId: string; execId: string },
    launch: (size?: TerminalSize) => Promise<unknown>,
    options: ProcessOptions = {},
  ) {
    this.#agent = agent
    this.#ids = ids
    this.#launch = launch
    this.#options = options
  }

  async start(size?: TerminalSize): Promise<void> {
    // The terminal of an init is made with its container, that of an exec with the process.
    const hasTerminal = this.#ids.execId === ''
    // A process that ended at once has no terminal any more, and one in the wrong size is better than none.
    const apply = () => (size === undefined ? undefined : this.resize(size).catch(() => {}))
    if (hasTerminal) await apply()
    await this.#launch(size)
    if (!hasTerminal) await apply()
  }

  async wait(): Promise<number> {
    try {
      const { status } = await this.#agent.waitProcess(this.#ids)
      await this.#options.afterEnd?.()
      return exitStatusOf(status)
    } finally {
      this.#over.abort()
    }
  }

  /** A signal without an exec id is for every process of the container; the init alone is called as its container. */
  async signal(signal: number, all = false): Promise<void> {
    const { containerId, execId } = this.#ids
    const isForAll = all || signal === SIGKILL
    const target = execId === '' && !isForAll ? containerId : execId
    await this.#agent.signalProcess({ containerId, execId: target, signal })
  }

  async resize({ rows, columns }: TerminalSize): Promise<void> {
    await this.#agent.ttyWinResize({ ...this.#ids, row: rows, column: columns })
  }

  output(stream: OutputStream, sink: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    const { lendPlace } = this.#options
    return pumpOutput(this.#agent, this.#ids, stream, sink, { over: this.#over.signal, lendPlace })
  }

  async input(chunks: AsyncIterable<Uint8Array>, how: { readonly isTerminal?: boolean } = {}): Promise<void> {
    const { inOrder, lendPlace } = this.#options
    const over = this.#over.signal
    try {
      await pumpInput(this.#agent, this.#ids, chunks, { ...how, over, inOrder, lendPlace })
    } catch (error) {
      // The process has ended, so the rest of its input would be lost anyway.
      if (!over.aborted) throw error
    }
  }
}
