/** One container: its bundle, cgroup, processes and mounts. */
import type { CreateContainerRequest, ExecProcessRequest } from '../../../../src/protocol/generated/agent.ts'
import type { LinuxResources, Process, Spec } from '../../../../src/protocol/generated/oci.ts'
import { TtrpcError } from '../../../../src/ttrpc/ttrpc.ts'
import type { Loop } from '../devices/loop.ts'
import { alreadyExists, invalid, notFound, precondition, unimplemented } from '../errors.ts'
import { type MountedStorage, mountStorage, unmountStorage } from '../storage/storage.ts'
import { planPipes, planTerminal } from '../streams/stdio.ts'
import { exists, makeDirectories, removeTree, save } from '../system/files.ts'
import { toJson } from '../system/json.ts'
import { Steps } from '../system/steps.ts'
import { bundleOf, sourcesOf, type WholeSpec, writeConfig } from './bundle.ts'
import {
  allContainers,
  type Cgroup,
  cgroupOf,
  killCgroup,
  limitCgroup,
  limitedPageSizes,
  oomKills,
  signalCgroup,
} from './cgroup.ts'
import type { ContainerTools } from './container-tools.ts'
import type { StartedProcess } from './crun.ts'
import { explainByMemory } from './memory-limit.ts'
import { makeLinkTargets } from './mount-targets.ts'
import type { OomWatch } from './oom.ts'
import {
  type ContainerProcess,
  closeStdio,
  processLosesSignal,
  signalProcess,
  signals,
  trackProcess,
} from './process.ts'
import { discard, type Holdings, stepsOfRemoval, stopWatching } from './removal.ts'
import { processToJson, resourcesToJson } from './spec.ts'
import { terminationLogOf } from './termination-log.ts'

/** The host's requests name containers by their ids only, which are checked to be one path component. */
const idPattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/

/** @throws TtrpcError INVALID_ARGUMENT for an id that could not be a file name. */
export function checkId(id: string): void {
  if (!idPattern.test(id)) throw invalid(`"${id}" is not a container or process id`)
}

/** Kata's annotation, and its values for the pod's own container, as CRI calls the one with pause, and for the others of a pod. */
const typeAnnotation = 'io.katacontainers.pkg.oci.container_type'
const types = { podSandbox: 'pod_sandbox', ofPod: 'pod_container' } as const

/** Whether it is one of a pod's containers, and not that which holds the pod. */
export const isOfPod = (oci: Spec | undefined): boolean => oci?.annotations[typeAnnotation] === types.ofPod

export class Container {
  readonly id: string
  readonly cgroup: Cgroup
  readonly init: ContainerProcess
  /** Whether it holds the pod, and lives as long. */
  readonly holdsPod: boolean
  /** Where its termination message is, outside of it. */
  readonly terminationLog: string | undefined
  readonly #tools: ContainerTools
  readonly #storages: readonly MountedStorage[]
  /** Sources of its mounts. */
  readonly #sources: readonly string[]
  readonly #oomWatch: OomWatch
  readonly #added = new Map<string, ContainerProcess>()
  /** Those that are being started. What is promised is that this is over. */
  readonly #starting = new Map<string, Promise<void>>()
  #started = false
  #removal: Promise<void> | undefined
  /** Steps of its removal that were not taken, or failed. */
  #toRemove: Steps | undefined
  #files = 0

  private constructor(
    id: string,
    { init, oci }: { init: StartedProcess; oci: Spec },
    storages: readonly MountedStorage[],
    tools: ContainerTools,
  ) {
    this.id = id
    this.#sources = sourcesOf(oci)
    this.cgroup = cgroupOf(id)
    this.#tools = tools
    this.#storages = storages
    this.#oomWatch = tools.oom.watch(id, this.cgroup)
    this.init = trackProcess(init)
    this.holdsPod = oci.annotations[typeAnnotation] === types.podSandbox
    this.terminationLog = terminationLogOf(oci)
  }

  /**
   * Makes the container with its init stopped before exec. Nothing is left of it when this fails.
   *
   * @throws TtrpcError with crun's words: NOT_FOUND and PERMISSION_DENIED about the command, INTERNAL for the rest.
   */
  static async create(
    request: CreateContainerRequest,
    sharedNamespaces: Readonly<Record<string, string>>,
    tools: ContainerTools,
  ): Promise<Container> {
    const oci = checkedSpec(request)
    const { containerId: id, storages } = request
    const mounted: MountedStorage[] = []
    const killsBefore = oomKills(allContainers)
    let init: StartedProcess | undefined
    try {
      makeDirectories(bundleOf(id), 0o700)
      for (const storage of storages)
        if (tools.volumes.owns(storage)) await tools.volumes.require(storage)
        else mounted.push(await mountStorage(storage, tools.exitOf))
      await writeConfig(request, oci, sharedNamespaces, mounted, tools)
      init = await makeInit(id, oci, tools)
      limitCgroup(cgroupOf(id))
      return new Container(id, { init, oci }, mounted, tools)
    } catch (error) {
      // crun has removed the container's own cgroup by now.
      const kills = oomKills(allContainers) - killsBefore
      const stdio = () => (init === undefined ? [] : [init.stdio])
      const steps = stepsOfRemoval({ id, stdio, storages: mounted, sources: sourcesOf(oci), tools })
      // Why it failed matters more than what stays in use.
      await new Steps(steps).take().catch(() => {})
      throw explainByMemory(error, oci.linux?.resources, kills)
    }
  }

  /** @throws TtrpcError FAILED_PRECONDITION when it was started before or has been killed. */
  start(): void {
    if (this.#started) throw precondition(`container ${this.id} was started before`)
    this.#tools.crun.start(this.id)
    this.#started = true
  }

  /** Runs a further process. @throws TtrpcError with crun's words, as for {@link Container.create}. */
  async exec({ execId, process }: ExecProcessRequest): Promise<void> {
    checkId(execId)
    if (process === undefined) throw invalid('the request lacks a process')
    if (this.#added.has(execId) || this.#starting.has(execId) || execId === this.id)
      throw alreadyExists(`process ${execId} exists`)
    if (!this.#started || this.init.exitCode !== undefined || this.isLeaving)
      throw precondition(`container ${this.id} is not running`)
    const file = this.#saveFile('process', processToJson(process))
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#starting.set(execId, promise)
    try {
      const stdio = planStdio(this.#tools.loop, process, this.bundle, `tty${this.#files}`)
      const started = await this.#tools.crun.exec(this.id, file, stdio, process.oomScoreAdj)
      // Its end is the removal's, which closes the streams of those that it knows.
      if (this.isLeaving) {
        closeStdio(started.stdio)
        throw precondition(`container ${this.id} is being removed`)
      }
      this.#added.set(execId, trackProcess(started))
    } finally {
      this.#starting.delete(execId)
      resolve()
      removeTree(file)
    }
  }

  /** @throws TtrpcError NOT_FOUND. */
  process(execId: string): ContainerProcess {
    const process = this.#isInit(execId) ? this.init : this.#added.get(execId)
    if (process === undefined || process.collected)
      throw notFound(`container ${this.id} has no process ${execId || this.id}`)
    return process
  }

  /**
   * Without an exec id it goes to every process as it is. SIGTERM for an init alone that the kernel keeps it from becomes SIGKILL; one that ignores
   * it goes on, and in a pid namespace of others it ends the process as anywhere. What is being started runs before its number is known here: a signal
   * waits for that.
   *
   * @throws TtrpcError NOT_FOUND.
   */
  signal(execId: string, signal: number): void | Promise<void> {
    const starting = this.#starting.get(execId)
    if (starting === undefined) this.#signal(execId, signal)
    else return starting.then(() => this.#signal(execId, signal))
  }

  #signal(execId: string, signal: number): void {
    const isForAll = execId === ''
    // Processes that have all ended are a success, as one is.
    if (isForAll && !exists(this.cgroup.directory)) return
    if (isForAll && signal === signals.kill) {
      killCgroup(this.cgroup)
      return
    }
    if (isForAll) {
      signalCgroup(this.cgroup, signal)
      return
    }
    const process = this.process(execId)
    const isLost = process === this.init && signal === signals.term && processLosesSignal(process, signal)
    signalProcess(process, isLost ? signals.kill : signal)
  }

  /**
   * The exit code, for everybody who waits by then. With it the process is forgotten, and what it wrote that nobody has
   * read: whoever wants its output reads that to its end first. So it is with Kata's agent, and a host that is wrong about
   * it is to be found out here.
   */
  async wait(execId: string): Promise<number> {
    const process = this.process(execId)
    const code = await process.ended
    if (!this.isLeaving) this.#oomWatch.look()
    process.collected = true
    closeStdio(process.stdio)
    if (this.#added.get(execId) === process) this.#added.delete(execId)
    return code
  }

  async update(resources: LinuxResources): Promise<void> {
    const file = this.#saveFile('resources', resourcesToJson(resources, { pageSizes: limitedPageSizes() }))
    try {
      await this.#tools.crun.update(this.id, file)
      limitCgroup(this.cgroup)
    } finally {
      removeTree(file)
    }
  }

  /** Its removal was asked for. */
  get isLeaving(): boolean {
    return this.#toRemove !== undefined
  }

  /**
   * Kills what runs, then removes everything. A call meanwhile waits for the same end; one after a failure takes the steps again that
   * are left.
   */
  remove(): Promise<void> {
    this.#removal ??= this.#remove().finally(() => {
      this.#removal = undefined
    })
    return this.#removal
  }

  /**
   * Writes the disks back and frees them, once every process is dead, and leaves the share alone; the machine is about to go. All at once: a disk that
   * does not take what is written would use up the host's time for those behind it. Never fails: each failure is reported.
   */
  async leaveDisks(report: (error: unknown) => void): Promise<void> {
    stopWatching(this.#storages)
    const onDisks = this.#storages.filter(({ disk, isOverlay }) => disk !== undefined || isOverlay)
    await Promise.all(
      onDisks.reverse().map((storage) => unmountStorage(storage, this.#tools.exitOf).catch(report)),
    )
  }

  async #remove(): Promise<void> {
    this.#toRemove ??= new Steps([() => this.#oomWatch.stop(), ...stepsOfRemoval(this.#holdings)])
    if (exists(this.cgroup.directory)) killCgroup(this.cgroup)
    await this.init.ended
    await this.#toRemove.take()
  }

  get bundle(): string {
    return bundleOf(this.id)
  }

  get #holdings(): Holdings {
    return {
      id: this.id,
      stdio: () => [this.init, ...this.#added.values()].map(({ stdio }) => stdio),
      storages: this.#storages,
      sources: this.#sources,
      tools: this.#tools,
    }
  }

  #isInit(execId: string): boolean {
    return execId === '' || execId === this.id
  }

  #saveFile(name: string, content: unknown): string {
    this.#files += 1
    const path = `${this.bundle}/${name}-${this.#files}.json`
    save(path, toJson(content))
    return path
  }
}

/** @throws TtrpcError INVALID_ARGUMENT, UNIMPLEMENTED for a request that no container can be made from. */
function checkedSpec({ containerId, oci, sharedMounts }: CreateContainerRequest): WholeSpec {
  checkId(containerId)
  if (oci?.process === undefined || oci.root === undefined)
    throw invalid('the OCI spec lacks process or root')
  if (sharedMounts.length > 0) throw unimplemented('shared mounts')
  refusePidNamespace(oci)
  return { ...oci, process: oci.process, root: oci.root }
}

/** The host asks for processes of the pod by `sandbox_pidns`. An entry breaks Kata's agent, which adds its own. */
function refusePidNamespace({ linux }: Spec): void {
  if (linux?.namespaces.some(({ type }) => type === 'pid'))
    throw invalid('the OCI spec has a pid namespace: its container gets one without')
}

/** Makes the container of a bundle, with its init stopped before exec. @throws TtrpcError with crun's words. */
async function makeInit(
  id: string,
  { process, root, mounts }: WholeSpec,
  { loop, crun }: ContainerTools,
): Promise<StartedProcess> {
  const bundle = bundleOf(id)
  const make = () => crun.create(id, bundle, planStdio(loop, process, bundle, 'tty'))
  return make().catch(async (error) => {
    // Only now: a look at every destination would cost each container some time. And only after words of crun's, since a share that does
    // not answer would hold up the agent.
    const isRefused = error instanceof TtrpcError && error.code === 'internal'
    if (!isRefused || !makeLinkTargets(root.path, mounts)) throw error
    await discard(cgroupOf(id), crun, id)
    return make()
  })
}

/** `name` is short: a socket's path has at most 107 bytes, and the id in it may have 76 (containerd's). */
function planStdio(loop: Loop, process: Process, bundle: string, name: string) {
  return process.terminal ? planTerminal(loop, `${bundle}/${name}`) : planPipes(loop)
}
