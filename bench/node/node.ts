/** A node: its containerd, what its kubelet sees of all pods, and what went wrong. */
import { join } from 'node:path'
import type { Containerd } from '../../e2e/containerd/containerd.ts'
import {
  type Container,
  ContainerState,
  type PodSandbox,
  PodSandboxState,
} from '../../src/protocol/generated/cri/runtime.ts'
import { CallLog } from './calls.ts'
import type { NodeSettings } from './settings.ts'

/** What a relist saw. */
interface View {
  /** When it was asked for, milliseconds of performance.now(). */
  readonly askedAt: number
  readonly sandboxes: readonly PodSandbox[]
  readonly containers: readonly Container[]
}

/** How many pods are started at once; each of them wants a processor. */
const startsTogether = 4

export class Node {
  readonly containerd: Containerd
  readonly settings: NodeSettings
  readonly handler: string
  readonly calls = new CallLog()
  /** What a user would complain about, each a sentence. */
  readonly problems: string[] = []
  /** Why pods ended that were killed, as their containers were told. */
  readonly reasons = new Map<string, number>()
  readonly #area: string
  #view: View | undefined
  #starting = 0
  /** While containerd is away, and until it has answered again. */
  #isDown = false
  #wasDownUntil = 0

  constructor(containerd: Containerd, settings: NodeSettings, handler: string, area: string) {
    this.containerd = containerd
    this.settings = settings
    this.handler = handler
    this.#area = area
  }

  /** Where the kubelet has the volumes and files of a pod. */
  directoryOf(uid: string): string {
    return join(this.#area, 'pods', uid)
  }

  get logs(): string {
    return this.#area
  }

  /** Lists all pods and containers, as a kubelet's PLEG. Fails while containerd is away. */
  async relist(): Promise<void> {
    const askedAt = performance.now()
    const { calls } = this.containerd.cri
    const [{ items }, { containers }] = await this.calls.timed(
      'relist',
      Promise.all([calls.listPodSandbox({}), calls.listContainers({})]),
    )
    this.#view = { askedAt, sandboxes: items, containers }
  }

  /** Whether the last relist after `since` saw the sandbox ready; undefined when there was none. */
  isReady(id: string, since: number): boolean | undefined {
    if (this.#view === undefined || this.#view.askedAt < since) return undefined
    const found = this.#view.sandboxes.find((sandbox) => sandbox.id === id)
    return found?.state === PodSandboxState.SANDBOX_READY
  }

  /** As {@link isReady}, of a container. */
  isRunning(id: string, since: number): boolean | undefined {
    if (this.#view === undefined || this.#view.askedAt < since) return undefined
    const found = this.#view.containers.find((container) => container.id === id)
    return found?.state === ContainerState.CONTAINER_RUNNING
  }

  /** Waits until one more pod may start. */
  async start<T>(work: () => Promise<T>): Promise<T> {
    while (this.#starting >= startsTogether) await Bun.sleep(100)
    this.#starting++
    try {
      return await work()
    } finally {
      this.#starting--
    }
  }

  /** Kills containerd and starts it again. */
  async restartContainerd(): Promise<void> {
    this.#isDown = true
    try {
      await this.containerd.stopDaemon('SIGKILL')
      await this.calls.timed('containerd restarted', this.containerd.startDaemon())
    } finally {
      this.#wasDownUntil = performance.now()
      this.#isDown = false
    }
  }

  /** Whether containerd was away at any time since then: what failed meanwhile is done again. */
  wasDownSince(moment: number): boolean {
    return this.#isDown || this.#wasDownUntil >= moment
  }
}
