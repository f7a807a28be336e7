/** One pod in the hands of a kubelet: it is started, watched, started again after an end that nobody asked for, and ended. */
import { readFileSync } from 'node:fs'
import { publish } from '../../e2e/containerd/atomic-writer.ts'
import type { Pod } from '../../e2e/containerd/cri.ts'
import { eventually } from '../../e2e/harness/kata.ts'
import { slow } from '../../e2e/harness/time.ts'
import { ContainerState } from '../../src/protocol/generated/cri/runtime.ts'
import type { Node } from './node.ts'
import {
  type ContainerName,
  containerConfig,
  containerNames,
  type PodFiles,
  sandboxConfig,
  terminationFile,
  volumeOf,
} from './pod-config.ts'

/** Seconds that containers have for their own end. */
const grace = 10n
/** Longest for a step that is tried again until it succeeds, milliseconds. */
const patienceMs = 180_000

interface Running {
  readonly id: string
  readonly message: string
}

export class KubeletPod implements PodFiles {
  readonly name: string
  readonly uid = crypto.randomUUID()
  readonly directory: string
  /** What a fault did to it; undefined again once the pod that comes after is there. */
  killed: string | undefined
  /** The version of the ConfigMap. */
  version = 0
  readonly #node: Node
  readonly #containers = new Map<ContainerName, Running>()
  #sandbox: Pod | undefined
  #address = ''
  #attempt = 0
  #upSince: number | undefined

  constructor(node: Node, name: string) {
    this.#node = node
    this.name = name
    this.directory = node.directoryOf(this.uid)
  }

  /** When both containers had started, milliseconds of performance.now(); undefined while they have not. */
  get upSince(): number | undefined {
    return this.#upSince
  }

  get sandboxId(): string {
    return this.#sandbox?.id ?? ''
  }

  get sandbox(): Pod | undefined {
    return this.#sandbox
  }

  get address(): string {
    return this.#address
  }

  containerId(name: ContainerName): string {
    return this.#containers.get(name)?.id ?? ''
  }

  /** Writes the next version of its ConfigMap. */
  update(): void {
    publish(volumeOf(this), { version: `${++this.version}` })
  }

  /** Keeps it running until `over` fires, then ends it as an API server's deletion would. */
  async run(over: AbortSignal): Promise<void> {
    this.update()
    while (!over.aborted) {
      const begun = performance.now()
      await this.#sync().catch((error) => this.#complain('keeping it running', error, begun))
      await Bun.sleep(this.#node.settings.relist * 1000)
    }
    this.#upSince = undefined
    await this.#patiently('its end', () => this.#end())
  }

  /** A failure that containerd's absence or a fault explains is none. */
  #complain(what: string, error: unknown, begun: number): void {
    if (this.killed !== undefined || this.#node.wasDownSince(begun)) return
    this.#node.problems.push(`${this.name}: ${what} failed: ${(error as Error).message}`)
  }

  async #sync(): Promise<void> {
    if (this.#upSince === undefined) {
      // What an attempt before this one has left.
      if (this.#attempt > 0) await this.#end()
      return this.#node.start(() => this.#start())
    }
    const ready = this.#node.isReady(this.sandboxId, this.#upSince)
    const ended = [...this.#containers].filter(
      ([, { id }]) => this.#node.isRunning(id, this.#upSince!) === false,
    )
    if (ready === false) return this.#ended()
    // kubelet waits for the pod's own end when its machine died; a container that ended alone did so by itself.
    if (ended.length > 0 && this.killed === undefined)
      throw new Error(`${ended.map(([name]) => name).join(' and ')} ended though nothing was done to it`)
  }

  async #start(): Promise<void> {
    const { containerd, calls, handler, logs } = this.#node
    const config = sandboxConfig(this, this.#attempt++, logs)
    this.#sandbox = await calls.timed('RunPodSandbox', containerd.cri.runPod({ handler, config }))
    this.#address = await calls.timed('PodSandboxStatus', this.#sandbox.address())
    for (const name of containerNames) await this.#startContainer(this.#sandbox, name)
    this.#upSince = performance.now()
    this.killed = undefined
  }

  async #startContainer(pod: Pod, name: ContainerName): Promise<void> {
    const { containerd, calls } = this.#node
    const message = terminationFile(this, name, this.#attempt)
    const { command, options } = containerConfig(this, name, this.#attempt, message)
    const containerId = await calls.timed('CreateContainer', pod.create(command, options))
    await calls.timed('StartContainer', containerd.cri.calls.startContainer({ containerId }))
    this.#containers.set(name, { id: containerId, message })
  }

  /** The pod is not ready: notes why, and takes away what is left of it. The next look starts it again. */
  async #ended(): Promise<void> {
    const { problems, reasons } = this.#node
    const why = this.killed
    this.#upSince = undefined
    if (why === undefined) problems.push(`${this.name}: its pod ended though nothing was done to it`)
    for (const name of containerNames) {
      const told = await this.#toldOf(name)
      const key = `${why ?? 'nothing'}: ${told}`
      reasons.set(key, (reasons.get(key) ?? 0) + 1)
    }
  }

  /** How a container ended, as a kubelet reads it. */
  async #toldOf(name: ContainerName): Promise<string> {
    const { id: containerId, message } = this.#containers.get(name)!
    const { calls } = this.#node.containerd.cri
    const look = async () => {
      const { status } = await calls.containerStatus({ containerId })
      return status?.state === ContainerState.CONTAINER_EXITED ? status : undefined
    }
    const status = await eventually('the container to have ended', look, slow(60_000)).catch(() => undefined)
    if (status === undefined) {
      this.#node.problems.push(`${this.name}: ${name} is told running though its pod ended`)
      return 'not told'
    }
    const text = readFileSync(message, 'utf8').replaceAll(/[0-9a-f]{64}/g, 'ID')
    return [`${status.exitCode} ${status.reason}`, ...(text === '' ? [] : [text.slice(0, 120)])].join(', ')
  }

  /** As often as it takes: kubelet tries again at each sync. */
  async #patiently(what: string, work: () => Promise<void>): Promise<void> {
    let failure: unknown
    const tried = () =>
      work().then(
        () => true as const,
        (error) => {
          failure = error
          return undefined
        },
      )
    await eventually(what, tried, patienceMs).catch(() =>
      this.#node.problems.push(`${this.name}: ${what} failed: ${(failure as Error).message}`),
    )
  }

  /** Ends and removes all that containerd has of this pod, in kubelet's order. */
  async #end(): Promise<void> {
    const { containerd, calls } = this.#node
    const { calls: cri } = containerd.cri
    const { items } = await cri.listPodSandbox({})
    for (const { id: podSandboxId } of items.filter(({ metadata }) => metadata?.uid === this.uid)) {
      const { containers } = await cri.listContainers({ filter: { podSandboxId } })
      await Promise.all(
        containers
          .filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
          .map(({ id }) =>
            calls.timed('StopContainer', cri.stopContainer({ containerId: id, timeout: grace })),
          ),
      )
      await calls.timed('StopPodSandbox', cri.stopPodSandbox({ podSandboxId }))
      for (const { id: containerId } of containers)
        await calls.timed('RemoveContainer', cri.removeContainer({ containerId }))
      await calls.timed('RemovePodSandbox', cri.removePodSandbox({ podSandboxId }))
    }
    this.#containers.clear()
    this.#sandbox = undefined
  }
}
