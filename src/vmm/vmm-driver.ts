/** What drivers have in common around their process: one start, which can be given up, and one end. */
import { KataError } from '../errors.ts'
import type { LaunchedProcess } from '../rootless/jail/launch-spec.ts'
import type { ProgramNeeds } from './program.ts'
import type { VmEnd, VmmOptions } from './vmm.ts'
import { VmmProcess } from './vmm-process.ts'

/** The part of a driver that is the same for every {@link Vmm}; `Connection` is the one that it drives its VMM by. */
export abstract class VmmDriver<Connection extends { close(): void }> {
  readonly ended: Promise<VmEnd>
  protected readonly options: VmmOptions
  protected readonly process: VmmProcess
  /** Set from the launch on. */
  protected connection: Connection | undefined
  #stopping: Promise<void> | undefined

  constructor(options: VmmOptions, needs: ProgramNeeds) {
    this.options = options
    this.process = new VmmProcess(options, needs)
    this.ended = this.process.ended
  }

  /** Launches the process and builds the machine, up to {@link VmmProcess.confirm}. */
  protected abstract launch(): Promise<void>
  /** Has the machine that waits run. */
  protected abstract run(): Promise<void>
  /** Whether the VMM could be asked to quit, and was. */
  protected abstract quit(): Promise<boolean>
  /** Removes what was made for the process, which is gone. */
  protected abstract tidy(): void

  start(): Promise<LaunchedProcess> {
    return this.process.start({
      run: () => this.launch(),
      // What waits for an answer fails with the connection, and what fails is stopped.
      giveUp: () => this.connection?.close(),
      stop: () => this.stop(),
    })
  }

  boot(): Promise<void> {
    return this.process.boot({ boot: () => this.run(), stop: () => this.stop() })
  }

  consoleTail(): string {
    return this.process.consoleTail()
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  protected get isStopping(): boolean {
    return this.#stopping !== undefined
  }

  /** @throws KataError VMM_DISCONNECTED before there is a connection. */
  protected connected(command: string): Connection {
    if (this.connection === undefined) throw new KataError('VMM_DISCONNECTED', { command })
    return this.connection
  }

  async #stop(): Promise<void> {
    await this.process.end(() => this.quit())
    this.connection?.close()
    this.tidy()
  }
}
