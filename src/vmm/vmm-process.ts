/**
 * The confined process of a virtual machine monitor, whichever it is: started in its jail and written down, looked at
 * before guest code runs, its console and output kept, its end noticed and explained.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { describeError, KataError } from '../errors.ts'
import { signalProcess } from '../linux/processes/signal.ts'
import { ConfinedProcess } from '../rootless/confined-process.ts'
import type { LaunchedProcess, LaunchSpec } from '../rootless/jail/launch-spec.ts'
import { inJail, type Launched, type Launcher } from '../rootless/launcher.ts'
import { requireCoreScheduling, separateCores } from '../rootless/posture/cores.ts'
import type { ExpectedPosture } from '../rootless/posture/posture-check.ts'
import { sleep, within } from '../time.ts'
import { answerMs, quitMs } from './machine/deadlines.ts'
import { ConsoleLog } from './monitor/console-log.ts'
import { lastWords, vmEndError } from './monitor/end-error.ts'
import { endReason } from './monitor/end-reason.ts'
import { type BareEnd, EndWatch } from './monitor/end-watch.ts'
import { checkProgram, checkVersion, type ProgramNeeds, programVersion } from './program.ts'
import type { VmEnd, VmmOptions } from './vmm.ts'

/** What a VMM that cannot be asked, as its connection is broken, gets before it is killed, milliseconds. */
const brokenMs = 100
/** Bytes already written reach us within a turn of the event loop, milliseconds. */
const outputLagMs = 5

/** What a driver does between having an idle process description and a machine that waits for guest code. */
export interface StartSteps {
  /** Launches with {@link VmmProcess.launch} and builds the machine, up to {@link VmmProcess.confirm}. */
  run(): Promise<void>
  /** Makes what `run` waits for fail: the start is given up. */
  giveUp(): void
  /** Leaves nothing of it. */
  stop(): Promise<void>
}

/** See {@link VmmProcess.readFrom}. */
export interface Outputs {
  readonly console: number
  readonly output: number
  readonly log?: number
  readonly seen?: (consoleTail: Buffer) => void
}

export class VmmProcess {
  readonly watch = new EndWatch()
  readonly ended: Promise<VmEnd>
  readonly #options: VmmOptions
  readonly #needs: ProgramNeeds
  #confined: ConfinedProcess | undefined
  #console: ConsoleLog | undefined
  #output: ConsoleLog | undefined

  constructor(options: VmmOptions, needs: ProgramNeeds) {
    this.#options = options
    this.#needs = needs
    this.ended = this.watch.ended.then((end) => this.#describe(end))
  }

  /** @throws KataError VMM_MISSING, VMM_TOO_OLD, VMM_START_TIMEOUT, VMM_EXITED; those of jail and posture. */
  async start({ run, giveUp, stop }: StartSteps): Promise<LaunchedProcess> {
    const { config, signal } = this.#options
    checkProgram(config.hypervisor.path, this.#needs)
    if (config.hypervisor.enableCoreScheduling) requireCoreScheduling()
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await run()
      // There may have been nothing to give up when it was told.
      signal?.throwIfAborted()
      return this.#confined!.launched
    } catch (error) {
      throw await this.#failed(error, stop)
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /** Has the machine run by `boot`; what goes wrong is explained as in {@link start}. */
  async boot({ boot, stop }: { boot(): Promise<void>; stop(): Promise<void> }): Promise<void> {
    try {
      await boot()
    } catch (error) {
      throw await this.#failed(error, stop)
    }
  }

  async #failed(error: unknown, stop: () => Promise<void>): Promise<unknown> {
    await stop()
    const { signal } = this.#options
    return signal?.aborted ? signal.reason : this.#explain(error)
  }

  /**
   * Keeps what comes from connected descriptors, which it takes over: the guest's console, the VMM's output, and the reading
   * end of a pipe where it writes its log to one. `seen` gets the console's tail whenever something has come.
   */
  async readFrom({ console, output, log, seen }: Outputs): Promise<void> {
    const { stateDir } = this.#options.spec
    this.#console = await ConsoleLog.open(console, `${stateDir}/console.log`, seen)
    this.#output = await ConsoleLog.open(output, `${stateDir}/vmm.log`)
    if (log !== undefined) void this.#output.alsoFrom(log)
  }

  /** Starts the process in our jail; see {@link launchBy}. */
  launch(spec: LaunchSpec, drains: readonly Promise<unknown>[]): Promise<void> {
    return this.launchBy(inJail(spec, this.#options.log), drains)
  }

  /** Starts the process by `launch`. `drains` close with it: the end is known once they are read to theirs. */
  async launchBy(launch: Launcher<Launched>, drains: readonly Promise<unknown>[]): Promise<void> {
    const { ledger, signal, spec } = this.#options
    const options = { said: () => this.#said(), ...(signal === undefined ? {} : { signal }) }
    this.#confined = await ConfinedProcess.start(ledger, {
      ...{ name: 'vmm', stateDir: spec.stateDir, launch, options },
    })
    const logs = [this.#console, this.#output].flatMap((log) => (log === undefined ? [] : [log.closed]))
    this.watch.exitOf(this.#confined.launched.exited, [...drains, ...logs])
  }

  /** Checks the version that the VMM tells of itself. @throws KataError VMM_TOO_OLD. */
  checkVersion(version: Parameters<typeof checkVersion>[1]): void {
    checkVersion(this.#options.config.hypervisor.path, version, this.#needs)
  }

  /** Compares the process once more now that its machine runs. @throws KataError POSTURE_DIFFERS, PROCESS_GONE. */
  confirmRunning(expected: ExpectedPosture): Promise<void> {
    return this.#confined!.confirmAtWork({ ...expected, ...this.#cores })
  }

  /** What the configuration asks of the process's cores. */
  get #cores(): Pick<ExpectedPosture, 'cores'> {
    return this.#options.config.hypervisor.enableCoreScheduling ? { cores: 'own' } : {}
  }

  /** Hands descriptors over to the running process by `plug`, and notes that for audits under the name `key`. */
  async handOver<T>(key: string, fds: readonly number[], plug: () => Promise<T>): Promise<T> {
    const result = await plug()
    this.#note(key, fds)
    return result
  }

  /** What was handed over under that name is closed again. */
  givenBack(key: string): void {
    this.#note(key, [])
  }

  /** The machine has it, whether or not that can be written down: then audits find it. */
  #note(key: string, fds: readonly number[]): void {
    try {
      this.#confined?.handedOver(key, fds)
    } catch (error) {
      this.#options.log.warn('a descriptor of the VMM is not written down: audits will show it', {
        error: String(error),
      })
    }
  }

  /**
   * Compares the process with what was asked for, notes for audits what it may be from now on (`working`), and writes the file `pid`
   * in the private directory: the machine waits for guest code.
   *
   * @throws KataError POSTURE_DIFFERS, PROCESS_GONE.
   */
  async confirm(checked: ExpectedPosture, working = checked): Promise<void> {
    const { spec, config, log } = this.#options
    const { pid } = this
    // Its threads are idle now, and those that come inherit it.
    if (config.hypervisor.enableCoreScheduling) separateCores(pid)
    const cores = this.#cores
    await this.#confined!.confirm({ checked: { ...checked, ...cores }, working: { ...working, ...cores } })
    writeFileSync(`${spec.privateDir}/pid`, `${pid}\n`, { mode: 0o600, flag: 'wx' })
    log.debug('vmm ready', { pid, accelerator: spec.accelerator })
  }

  /** Ends the process and waits for it. `quit` asks the VMM, and tells whether it could be asked. */
  async end(quit: () => Promise<boolean>): Promise<void> {
    const { spec } = this.#options
    if (this.#confined === undefined) {
      this.watch.stopped()
    } else {
      const { exited } = this.#confined.launched
      // A VMM that cannot be asked is ending already, if it ever will; what it then says of its end is worth a moment.
      await within(exited, (await quit()) ? quitMs : brokenMs)
      await this.#confined.end()
      await this.watch.ended
    }
    this.#console?.close()
    this.#output?.close()
    rmSync(`${spec.privateDir}/pid`, { force: true })
  }

  /** @throws Error before {@link launch}. */
  get pid(): number {
    if (this.#confined === undefined) throw new Error('the VMM was not launched')
    return this.#confined.launched.ref.pid
  }

  /** Ends the process without waiting for it: {@link ended} tells. */
  kill(): void {
    if (this.#confined !== undefined) signalProcess(this.#confined.launched.ref, 'SIGKILL')
  }

  consoleTail(): string {
    return this.#console?.tail() ?? ''
  }

  /** What the process wrote on stdout and stderr; the last of it may still be on its way when the process has ended. */
  async #said(): Promise<string> {
    await sleep(outputLagMs)
    return this.#outputTail()
  }

  #outputTail(): string {
    return this.#output?.tail() ?? ''
  }

  #describe(end: BareEnd): VmEnd {
    const told = { ...end, consoleTail: this.consoleTail(), logTail: this.#outputTail() }
    return { ...told, reason: endReason(told, this.watch) }
  }

  /** What a failed start says: a VMM that ended tells more than the connection that broke with it. */
  async #explain(error: unknown): Promise<unknown> {
    if (!(error instanceof KataError) || this.#confined === undefined) return error
    const { spec, config } = this.#options
    const { path } = config.hypervisor
    if (error.code === 'VMM_COMMAND_TIMEOUT') {
      const { seconds = answerMs / 1000 } = error.fields
      const facts = { sandbox: spec.sandboxId, seconds }
      return new KataError(
        'VMM_START_TIMEOUT',
        { ...facts, tail: lastWords(this.#outputTail()) },
        { cause: error },
      )
    }
    if (error.code !== 'VMM_DISCONNECTED' && error.code !== 'PROCESS_GONE') return error
    const version = await programVersion(path).catch(describeError)
    if (typeof version === 'object') checkVersion(path, version, this.#needs)
    return vmEndError(await this.ended, spec.sandboxId, path)
  }
}
