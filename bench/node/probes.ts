/** What a kubelet does to a pod that runs, over and over: probes, statistics, new versions of its volume. */
import { slow } from '../../e2e/harness/time.ts'
import type { KubeletPod } from './kubelet-pod.ts'
import type { Node } from './node.ts'
import { repeat } from './pause.ts'
import { containerNames, port } from './pod-config.ts'

/** Only ends what hangs: a kubelet has 1 s, which an emulated guest on a busy host cannot promise. */
const probeMs = slow(30_000)
/** As many failures in a row make a kubelet restart the container. */
const failureThreshold = 3

export class Probes {
  readonly #node: Node
  readonly #pod: KubeletPod
  readonly #inARow = new Map<string, number>()
  /** The newest version of the ConfigMap that a container showed. */
  #seen = 0

  constructor(node: Node, pod: KubeletPod) {
    this.#node = node
    this.#pod = pod
  }

  /** Until `over` fires. */
  async run(over: AbortSignal): Promise<void> {
    const { http, exec, stats, update } = this.#node.settings
    // As kubelet does, so that not all pods are probed at the same moment.
    const first = (seconds: number) => Math.random() * seconds * 1000
    await Promise.all([
      repeat(http, over, () => this.#once('probe by HTTP', () => this.#http()), first(http)),
      repeat(exec, over, () => this.#once('probe by ExecSync', () => this.#exec()), first(exec)),
      repeat(stats, over, () => this.#once('ContainerStats of both', () => this.#stats()), first(stats)),
      repeat(update, over, async () => this.#update(), first(update)),
    ])
  }

  /** Counts it, and complains when it fails too often without a fault that explains it. */
  async #once(what: string, work: () => Promise<void>): Promise<void> {
    const { upSince } = this.#pod
    if (upSince === undefined || this.#pod.killed !== undefined) return
    const begun = performance.now()
    try {
      await this.#node.calls.timed(what, work())
      this.#inARow.set(what, 0)
    } catch (error) {
      const isExplained =
        this.#pod.killed !== undefined || this.#pod.upSince !== upSince || this.#node.wasDownSince(begun)
      if (isExplained) return
      const times = (this.#inARow.get(what) ?? 0) + 1
      this.#inARow.set(what, times)
      if (times === failureThreshold)
        this.#node.problems.push(
          `${this.#pod.name}: ${what} failed ${times} times in a row: ${(error as Error).message}`,
        )
    }
  }

  async #http(): Promise<void> {
    const answer = await fetch(`http://${this.#pod.address}:${port}/version`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(probeMs),
    })
    this.#saw(await answer.text())
  }

  async #exec(): Promise<void> {
    const command = ['cat', '/settings/version']
    const answer = await this.#pod.sandbox!.exec(this.#pod.containerId('side'), command, probeMs / 1000)
    if (answer.exitCode !== 0) throw new Error(`exit code ${answer.exitCode}: ${answer.stderr}`)
    this.#saw(answer.stdout)
  }

  #saw(text: string): void {
    const version = Number(text)
    if (!(version >= 1 && version <= this.#pod.version)) throw new Error(`the ConfigMap says ${text}`)
    this.#seen = Math.max(this.#seen, version)
  }

  async #stats(): Promise<void> {
    const { calls } = this.#node.containerd.cri
    for (const name of containerNames) {
      const { stats } = await calls.containerStats({ containerId: this.#pod.containerId(name) })
      if ((stats?.memory?.workingSetBytes?.value ?? 0n) === 0n)
        throw new Error(`no memory is told of ${name}`)
    }
  }

  /** By the next version the one before it must have been seen: agent and share are given a whole period for it. */
  #update(): void {
    const { version, upSince, killed, name } = this.#pod
    const periodMs = this.#node.settings.update * 1000
    const { http, exec } = this.#node.settings
    const isLookedAt = http > 0 || exec > 0
    const wasUp =
      isLookedAt && upSince !== undefined && killed === undefined && performance.now() - upSince > periodMs
    if (wasUp && this.#seen < version)
      this.#node.problems.push(
        `${name}: version ${version} of its ConfigMap was not seen, only ${this.#seen}`,
      )
    this.#pod.update()
  }
}
