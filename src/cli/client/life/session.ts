/** One container between its record and its end, as the client that starts it sees it. */
import { readFileSync } from 'node:fs'
import { readFailure } from '../../../bundle/failure.ts'
import { bundleFile } from '../../../bundle/files.ts'
import { wasOomKilled } from '../../../bundle/oom-killed.ts'
import { readWarnings } from '../../../bundle/warnings.ts'
import { describeError, KataError } from '../../../errors.ts'
import type { RootMount } from '../../../images/rootfs.ts'
import { Options } from '../../../protocol/generated/containerd/runtime_options.ts'
import { runtimeFailed } from '../../exit-code.ts'
import { tellError } from '../../explain.ts'
import type { Settings } from '../../settings.ts'
import { endContainer } from '../end.ts'
import {
  type Changes,
  type ContainerRecord,
  isThere,
  type RecordPaths,
  readRecord,
  updateRecord,
} from '../record.ts'
import { removedMeanwhile, startShim } from '../shim-process.ts'
import { abortOnInterruption, abortOnSignal, type SignalCatcher } from '../signals.ts'
import type { StreamUris } from '../streams.ts'
import { TaskClient } from '../task.ts'
import { startMonitor } from './monitor.ts'
import { afterEnd, isRestartWanted, needsMonitor } from './restarts.ts'

/** What a session starts. */
export interface Startable {
  readonly record: ContainerRecord
  readonly paths: RecordPaths
  /** Makes the root file system, or finds it. */
  rootfs(signal: AbortSignal): Promise<readonly RootMount[]>
  /** The saved machine that it goes on with; it boots without one. */
  readonly checkpoint?: string
  /** It ran before: its files and its record stay when it cannot start. */
  readonly ranBefore: boolean
  /** This process is its monitor, and starts it by its restart policy. */
  readonly isMonitor?: boolean
}

const runtimeOptionsType = 'runtimeoptions.v1.Options'

export class Session {
  readonly #settings: Settings
  readonly #container: Startable
  readonly #record: ContainerRecord
  readonly #paths: RecordPaths
  #starting: Promise<string> | undefined
  #task: TaskClient | undefined
  #warned = false

  constructor(settings: Settings, container: Startable) {
    this.#settings = settings
    this.#container = container
    this.#record = container.record
    this.#paths = container.paths
  }

  /** Starts the shim and creates the task; an interruption ends the waiting, not what was begun. @throws KataError START_GIVEN_UP once it was removed. */
  async create(uris: StreamUris, { interrupted }: SignalCatcher): Promise<TaskClient> {
    const { namespace, id } = this.#record
    const { bundle } = this.#paths
    // The bundle may be that of another one of its name by now.
    if (!isThere(this.#settings.stateDir, this.#record)) throw removedMeanwhile(id)
    this.#starting = startShim(this.#settings, { namespace, id, bundle }, this.#options())
    const address = await this.#starting
    this.#update({ address })
    this.#task = await TaskClient.connect(address, namespace, id)
    const mounts = await this.#container.rootfs(abortOnInterruption({ interrupted }))
    const created = this.#task.create({
      ...uris,
      bundle,
      rootfs: mounts.map((mount) => ({ ...mount, target: '', options: [...mount.options] })),
      terminal: this.#record.terminal,
      options: this.#options(),
      checkpoint: this.#container.checkpoint ?? '',
    })
    await Promise.race([created, interrupted])
    this.#showWarnings()
    this.#update({ status: 'running', startedAt: new Date().toISOString() })
    return this.#task
  }

  /**
   * The exit code that the person gets: no success where the clean-up fails. What it left is tried again by a monitor, if the policy wants
   * another start, or by `gc`.
   *
   * @throws as {@link endContainer}, for a container that was to be removed.
   */
  async end(exitCode: number, signals: SignalCatcher): Promise<number> {
    try {
      await this.#end({ exitCode, task: this.#task, signal: abortOnSignal(signals), note: this.#afterEnd })
    } catch (error) {
      if (this.#record.autoRemove) throw error
      tellError(this.#settings, error)
      this.#leaveBehind(exitCode)
      return exitCode || runtimeFailed
    }
    if (this.#record.autoRemove) return exitCode
    try {
      if (this.#latest().restartsAt !== undefined) this.#leaveToMonitor()
    } catch (error) {
      // It has ended and is cleaned up: its files stay.
      tellError(this.#settings, error)
      return exitCode || runtimeFailed
    }
    return exitCode
  }

  #leaveBehind(exitCode: number): void {
    const { id } = this.#record
    try {
      // The shim that knew it is gone.
      this.#update({ exitCode })
      if (!isRestartWanted(this.#latest())) return
      this.#leaveToMonitor()
      this.#settings.tell(
        `container ${id}: this is tried again in the background, and its restart policy counts after that`,
      )
    } catch (error) {
      tellError(this.#settings, error)
    }
  }

  #leaveToMonitor(): void {
    this.#update((now) => startMonitor(this.#settings, now))
  }

  /** Nothing of a new container that could not start, or was lost, is kept. One that ran before is stopped, with this exit code. */
  async fail(signals: SignalCatcher, exitCode = runtimeFailed): Promise<void> {
    // An interruption may come while the shim is being born; it can only be ended once it exists.
    await this.#starting?.catch(() => {})
    this.#task?.close()
    this.#showWarnings()
    this.#showShimLog()
    const { ranBefore, isMonitor } = this.#container
    // The person whose start fails is told; only a start by policy is tried again.
    const note = isMonitor ? this.#afterEnd : undefined
    await this.#end({ exitCode, remove: !ranBefore, signal: abortOnSignal(signals), note })
  }

  readonly #afterEnd = (exitCode: number) => afterEnd(this.#settings, this.#record, exitCode)

  /** The person who breaks off the removal still gets the exit code, or the error, that all this was for. */
  async #end(end: Parameters<typeof endContainer>[2]): Promise<void> {
    try {
      await endContainer(this.#settings, this.#record, end)
    } catch (error) {
      if (!(error instanceof KataError && error.code === 'REMOVAL_UNFINISHED')) throw error
      this.#settings.tell(describeError(error))
    }
  }

  /** Prints why a process was lost with its machine, or killed in it; its exit code does not say that. */
  reportFailure(exitCode: number): void {
    const { bundle } = this.#paths
    const { id } = this.#record
    if (exitCode !== 0 && wasOomKilled(bundle))
      tellError(this.#settings, new KataError('CONTAINER_OOM', { id }))
    try {
      const failure = readFailure(bundle, 'failure')
      if (failure !== undefined) tellError(this.#settings, failure)
    } catch (error) {
      tellError(this.#settings, error)
    }
  }

  /** With --rm, a restart policy or a health check, a monitor waits for the end. */
  leave(task: TaskClient): void {
    if (!this.#container.isMonitor) {
      // `update`, which may give it a policy at this moment, starts one where it finds no owner.
      this.#update((now) =>
        needsMonitor(now) ? startMonitor(this.#settings, now) : { owner: undefined, detached: true },
      )
    }
    task.close()
  }

  /**
   * The person left a container that ran in the foreground: from now on it is as one that was started in the background. It goes on in any case;
   * it is no success where no monitor can be started, or noted.
   */
  handOver(task: TaskClient): number {
    const { id } = this.#record
    try {
      this.leave(task)
      return 0
    } catch (error) {
      task.close()
      tellError(this.#settings, error)
      this.#settings.tell(
        `container ${id} goes on, and nobody waits for its end: \`kata-ts start ${id}\` tries that again`,
      )
      return runtimeFailed
    }
  }

  #options() {
    const { configFile } = this.#record
    if (configFile === undefined) return undefined
    return {
      typeUrl: runtimeOptionsType,
      value: Options.encode(Options.fromPartial({ configPath: configFile })).finish(),
    }
  }

  /** `update` may have given it another policy since it was made. */
  #latest(): ContainerRecord {
    const { namespace, id, createdAt } = this.#record
    try {
      const now = readRecord(this.#settings.stateDir, namespace, id)
      return now.createdAt === createdAt ? now : this.#record
    } catch (error) {
      if (error instanceof KataError && error.code === 'CONTAINER_NOT_FOUND') return this.#record
      throw error
    }
  }

  #update(changes: Changes): void {
    const { namespace, id } = this.#record
    updateRecord(this.#settings.stateDir, namespace, id, changes, this.#record)
  }

  /** Prints the shim's messages about this start, once. */
  #showWarnings(): void {
    if (this.#warned) return
    this.#warned = true
    this.#tellEach(() => readWarnings(this.#paths.bundle).map((warning) => `warning: ${warning}`))
  }

  /** A file of the shim's that cannot be read is told too, and changes nothing else. */
  #tellEach(read: () => readonly string[]): void {
    try {
      for (const text of read()) this.#settings.tell(text)
    } catch (error) {
      tellError(this.#settings, error)
    }
  }

  #showShimLog(): void {
    if (!this.#settings.debug) return
    try {
      this.#settings.tell(readFileSync(bundleFile(this.#paths.bundle, 'shimLog'), 'utf8').trimEnd())
    } catch {
      // The shim never got as far as having a log.
    }
  }
}
