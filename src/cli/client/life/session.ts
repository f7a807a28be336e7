/** One run of a container, from its record to its end, for the client that starts it. */
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

/** A container that can be started. */
export interface Startable {
  readonly record: ContainerRecord
  readonly paths: RecordPaths
  /** Makes or finds the root file system. */
  rootfs(signal: AbortSignal): Promise<readonly RootMount[]>
  /** The saved machine to continue. Without one, the container boots. */
  readonly checkpoint?: string
  /** Whether it has run before. Then its files and record stay if it cannot start. */
  readonly ranBefore: boolean
  /** Whether this process is the container's monitor, which restarts it by its policy. */
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

  /**
   * Starts the shim and creates the task. An interruption ends only the waiting; the calls continue. @throws KataError START_GIVEN_UP if the
   * container was removed.
   */
  async create(uris: StreamUris, { interrupted }: SignalCatcher): Promise<TaskClient> {
    const { namespace, id } = this.#record
    const { bundle } = this.#paths
    // A later container of the same name may have the bundle by now.
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
   * Cleans up after the container and returns the exit code for the user, which is an error if the clean-up fails. A monitor retries the
   * clean-up if the policy wants a restart; otherwise `gc` does.
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
      // The container has ended and is cleaned up, so its files stay.
      tellError(this.#settings, error)
      return exitCode || runtimeFailed
    }
    return exitCode
  }

  #leaveBehind(exitCode: number): void {
    const { id } = this.#record
    try {
      // The exit code is kept here because the shim, which knew it, has gone.
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

  /**
   * Cleans up after a container that could not start or was lost. A new one is removed; one that ran before becomes stopped, with this exit
   * code.
   */
  async fail(signals: SignalCatcher, exitCode = runtimeFailed): Promise<void> {
    // An interruption may come while the shim starts, and the shim can be ended only once it exists.
    await this.#starting?.catch(() => {})
    this.#task?.close()
    this.#showWarnings()
    this.#showShimLog()
    const { ranBefore, isMonitor } = this.#container
    // A user sees the failed start. Only a start by the policy is retried.
    const note = isMonitor ? this.#afterEnd : undefined
    await this.#end({ exitCode, remove: !ranBefore, signal: abortOnSignal(signals), note })
  }

  readonly #afterEnd = (exitCode: number) => afterEnd(this.#settings, this.#record, exitCode)

  /** Ends the container. If the user interrupts the removal, the run's exit code or error still counts. */
  async #end(end: Parameters<typeof endContainer>[2]): Promise<void> {
    try {
      await endContainer(this.#settings, this.#record, end)
    } catch (error) {
      if (!(error instanceof KataError && error.code === 'REMOVAL_UNFINISHED')) throw error
      this.#settings.tell(describeError(error))
    }
  }

  /** Prints why a process was lost with its machine or killed in it, which the exit code does not tell. */
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

  /** Leaves the container to its shim. With --rm, a restart policy or a health check, a monitor waits for its end. */
  leave(task: TaskClient): void {
    if (!this.#container.isMonitor) {
      // `update` may set a policy at this moment. It starts a monitor itself if the record has no owner.
      this.#update((now) =>
        needsMonitor(now) ? startMonitor(this.#settings, now) : { owner: undefined, detached: true },
      )
    }
    task.close()
  }

  /**
   * Detaches from a container in the foreground, which then counts as started in the background. It continues in any case. Returns an error code
   * if no monitor could be started or noted.
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

  /** Reads the record again, because `update` may have changed the policy meanwhile. */
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

  /** Prints each text. An unreadable file of the shim's is reported, and has no other effect. */
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
      // The shim ended before it had a log.
    }
  }
}
