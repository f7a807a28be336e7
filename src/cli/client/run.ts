/** The life of a container as its client lives it: claim the name, start the shim, Create, Start, Wait, Delete. */
import { readFileSync, writeFileSync } from 'node:fs'
import { readFailure } from '../../bundle/failure.ts'
import { bundleFile } from '../../bundle/files.ts'
import { wasOomKilled } from '../../bundle/oom-killed.ts'
import { writeOverrides } from '../../bundle/overrides.ts'
import { readWarnings } from '../../bundle/warnings.ts'
import type { Overrides } from '../../config/overrides.ts'
import { describeError, KataError } from '../../errors.ts'
import { writableOverlay } from '../../images/rootfs.ts'
import { bootId, processRef } from '../../linux/processes/proc.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import { logUri } from '../../sandbox/records/log-files.ts'
import { tellError } from '../explain.ts'
import type { Settings } from '../settings.ts'
import { attach } from './attach.ts'
import { endContainer } from './end.ts'
import { type EtcWishes, writeEtcFiles } from './etc-files.ts'
import { type ContainerRecord, createRecord, type RecordPaths, updateRecord } from './record.ts'
import { startShim } from './shim-process.ts'
import { abortOnSignal, catchSignals, type SignalCatcher } from './signals.ts'
import { type AttachedStreams, attachStreams, type StreamUris } from './streams.ts'
import { TaskClient } from './task.ts'

export interface ContainerPlan {
  readonly id: string
  readonly command: readonly string[]
  /** For people. */
  readonly image: string
  /** Host directories of the read-only layers, from the top down. */
  readonly layers: readonly string[]
  readonly spec: OciSpec
  readonly etc: EtcWishes
  readonly interactive: boolean
  readonly terminal: boolean
  readonly autoRemove: boolean
  readonly stopSignal?: number | undefined
  readonly stopTimeout?: number | undefined
  readonly overrides: Overrides
  readonly configFile?: string | undefined
}

const runtimeOptionsType = 'runtimeoptions.v1.Options'

/** Runs the container in the foreground and returns the exit code of its process. */
export async function runAttached(settings: Settings, plan: ContainerPlan): Promise<number> {
  // Before anything is made: from here on a signal ends this process in an orderly way.
  const signals = catchSignals()
  let streams: AttachedStreams | undefined
  let session: Session | undefined
  try {
    const { record, paths } = prepare(settings, plan, false)
    session = new Session(settings, plan, record, paths)
    streams = attachStreams({ ...plan, directory: `${paths.io}/main`, input: 0, output: 1, errors: 2 })
    const task = await session.create(streams.uris, signals)
    const { id, interactive, terminal } = plan
    const { log, tell } = settings
    const run = attach({ task, id, execId: '', streams, signals, interactive, terminal, log, tell })
    const exitCode = await Promise.race([run, signals.interrupted])
    session.reportFailure(exitCode)
    await session.end(exitCode, signals)
    return exitCode
  } catch (error) {
    await session?.fail(signals)
    throw error
  } finally {
    streams?.close()
    signals.release()
  }
}

/** Starts the container and leaves it to its shim, which keeps its exit code until it is removed. */
export async function runDetached(settings: Settings, plan: ContainerPlan): Promise<void> {
  const signals = catchSignals()
  let session: Session | undefined
  try {
    const { record, paths } = prepare(settings, plan, true)
    session = new Session(settings, plan, record, paths)
    const stderr = plan.terminal ? '' : logUri(paths.stderrLog)
    const uris = { stdin: '', stdout: logUri(paths.stdoutLog), stderr }
    const task = await session.create(uris, signals)
    await Promise.race([task.start(), signals.interrupted])
    session.leave(task)
  } catch (error) {
    await session?.fail(signals)
    throw error
  } finally {
    signals.release()
  }
}

function prepare(settings: Settings, plan: ContainerPlan, detached: boolean) {
  const { id, command, image, layers, terminal, autoRemove, spec, overrides, stopSignal, stopTimeout } = plan
  const record: ContainerRecord = {
    ...{ id, namespace: settings.namespace, command, image, layers, terminal, detached, autoRemove },
    ...{ stopSignal, stopTimeout },
    createdAt: new Date().toISOString(),
    status: 'creating',
    owner: processRef(process.pid)!,
    bootId: bootId(),
  }
  const paths = createRecord(settings.stateDir, record)
  writeFileSync(bundleFile(paths.bundle, 'spec'), JSON.stringify(spec), { mode: 0o600 })
  writeOverrides(paths.bundle, overrides)
  return { record, paths }
}

/** One container between its record and its end. */
class Session {
  readonly #settings: Settings
  readonly #plan: ContainerPlan
  readonly #record: ContainerRecord
  readonly #paths: RecordPaths
  #starting: Promise<string> | undefined
  #task: TaskClient | undefined
  #warned = false

  constructor(settings: Settings, plan: ContainerPlan, record: ContainerRecord, paths: RecordPaths) {
    this.#settings = settings
    this.#plan = plan
    this.#record = record
    this.#paths = paths
  }

  /** Starts the shim and creates the task; an interruption ends the waiting, not what was begun. */
  async create(uris: StreamUris, { interrupted }: SignalCatcher): Promise<TaskClient> {
    const { namespace, id } = this.#record
    const { bundle } = this.#paths
    this.#starting = startShim(this.#settings, { namespace, id, bundle })
    const address = await this.#starting
    this.#update({ address })
    this.#task = await TaskClient.connect(address, namespace, id)
    // Writes go into the record; the layers stay as they are.
    const overlay = writableOverlay(this.#plan.layers, this.#paths.directory)
    writeEtcFiles(`${this.#paths.directory}/upper`, this.#plan.layers, this.#plan.etc)
    const created = this.#task.create({
      ...uris,
      bundle,
      rootfs: [{ ...overlay, target: '', options: [...overlay.options] }],
      terminal: this.#plan.terminal,
      options: this.#options(),
    })
    await Promise.race([created, interrupted])
    this.#showWarnings()
    this.#update({ status: 'running' })
    return this.#task
  }

  async end(exitCode: number, signals: SignalCatcher): Promise<void> {
    await this.#end({ exitCode, task: this.#task, signal: abortOnSignal(signals) })
  }

  /** Nothing of a container that could not start, or was lost, is kept. */
  async fail(signals: SignalCatcher): Promise<void> {
    // An interruption may come while the shim is being born; it can only be ended once it exists.
    await this.#starting?.catch(() => {})
    this.#task?.close()
    this.#showWarnings()
    this.#showShimLog()
    await this.#end({ remove: true, signal: abortOnSignal(signals) })
  }

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
      this.#settings.tell(new KataError('CONTAINER_OOM', { id }).message)
    this.#tellEach(() => {
      const failure = readFailure(bundle, 'failure')
      return failure === undefined ? [] : [failure.message]
    })
  }

  /** With --rm a waiting process of its own removes what is left after the end. */
  leave(task: TaskClient): void {
    const owner = this.#plan.autoRemove ? processRef(this.#spawnMonitor()) : undefined
    this.#update({ owner })
    task.close()
  }

  #spawnMonitor(): number {
    const { self, stateDir, runDir, namespace, env } = this.#settings
    const options = ['--namespace', namespace, '--state-dir', stateDir, '--run-dir', runDir]
    const monitor = Bun.spawn([self.program, ...self.prefix, 'monitor', ...options, this.#record.id], {
      cwd: '/',
      env: env as Record<string, string>,
      stdio: ['ignore', 'ignore', Bun.file(`${this.#paths.directory}/monitor.log`)],
      detached: true,
    })
    monitor.unref()
    return monitor.pid
  }

  #options() {
    const { configFile } = this.#plan
    if (configFile === undefined) return undefined
    return {
      typeUrl: runtimeOptionsType,
      value: Options.encode(Options.fromPartial({ configPath: configFile })).finish(),
    }
  }

  #update(changes: Partial<ContainerRecord>): void {
    updateRecord(this.#settings.stateDir, this.#record.namespace, this.#record.id, changes)
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

/** The waiting process of a detached container with --rm: it waits, then cleans up. */
export async function monitor(settings: Settings, record: ContainerRecord): Promise<void> {
  const task = await TaskClient.connect(record.address ?? '', record.namespace, record.id)
  const exitCode = await task.wait().catch((error) => {
    settings.log.error('the shim was lost', { id: record.id, error })
    return undefined
  })
  await endContainer(settings, record, { exitCode, task })
}
