/** Keeps the machine as large as its containers need, while they come, change and go. */
import { totalmem } from 'node:os'
import type { AgentClient } from '../../agent/client.ts'
import type { PodLimits } from '../../cgroups/pod-limits.ts'
import type { Config } from '../../config/config.ts'
import { isEqual } from '../../json/is-equal.ts'
import type { Logger } from '../../log.ts'
import { type Clock, realClock, serially } from '../../time.ts'
import type { MachineSize, Vmm } from '../../vmm/vmm.ts'
import { type Demand, neededSize } from './sizing.ts'

export interface MachineSizerParts {
  readonly config: Config
  readonly vmm: Pick<Vmm, 'resize' | 'vcpus'>
  readonly agent: Pick<AgentClient, 'onlineCPUMem'>
  /** What the machine booted with. */
  readonly boot: MachineSize
  /** The unit in which the guest takes memory. */
  readonly memoryBlockMiB: number
  /** What the host allows the containers together, as it is now. */
  podLimits(): PodLimits
  /** Called before the machine gets that size. */
  onGrowing(wanted: MachineSize): void
  /** Called whenever the machine may have got new processors, which come as new threads of the VMM. */
  onResized(): Promise<void>
  /** Called once the guest has given something back that no container needs any longer. Never throws. */
  onTakenBack(): Promise<void>
  /** The machine's end: nothing is asked of its guest, and nothing of it is placed, after that. */
  readonly over: AbortSignal
  readonly log: Logger
  /** Default real time. */
  readonly clock?: Clock
}

/** Memory may grow by this factor at once: the kernel keeps 1.6 % of what comes in what it has. */
const mostGrowth = 16
/** Pauses before each time that a guest is asked for what its containers need no longer, milliseconds. A busy one gives little or nothing at first. */
const pausesMs = [0, 2000, 10_000, 30_000, 60_000]
const mebibyte = 1024 * 1024

export const hostMemoryMiB = (): number => Math.floor(totalmem() / mebibyte)

export class MachineSizer {
  readonly #parts: MachineSizerParts
  readonly #demands = new Map<string, Demand>()
  #size: MachineSize
  /** Whether the guest may not use all of that: it failed to take what came. */
  #isBehind = false
  readonly #alone = serially()
  /** The latest {@link #takeBack}. */
  #turn = 0

  constructor(parts: MachineSizerParts) {
    this.#parts = parts
    this.#size = parts.boot
  }

  /** What the machine has now: less than it was left with, where its guest has given up a processor since. */
  get size(): MachineSize {
    const { vcpus, memoryMiB } = this.#size
    return { vcpus: Math.min(vcpus, this.#parts.vmm.vcpus ?? vcpus), memoryMiB }
  }

  /**
   * Makes the machine large enough for a container that comes or changes. When that fails, the container's earlier
   * demand still counts.
   *
   * @throws KataError SANDBOX_TOO_LARGE, VMM_MEMORY_SLOTS, VMM_MEMORY_REFUSED, VMM_NO_HUGEPAGES; the reason of the machine's end.
   */
  demand(containerId: string, demand: Demand): Promise<void> {
    // In its own turn: another container would fail by a demand that is refused next.
    return this.#alone(async () => {
      const before = this.#demands.get(containerId)
      this.#demands.set(containerId, demand)
      try {
        await this.#reach()
      } catch (error) {
        if (before === undefined) this.#demands.delete(containerId)
        else this.#demands.set(containerId, before)
        // The machine may have got some of it.
        this.#takeBack()
        throw error
      }
    })
  }

  /**
   * Takes back what a removed container needed, as far as the machine can shrink. Returns at once: a guest may be longer about that than
   * containerd waits for the removal.
   */
  forget(containerId: string): void {
    // In its own turn: a demand of the same container may be under way.
    const gone = this.#alone(async () => {
      if (this.#demands.delete(containerId)) this.#takeBack()
    })
    gone.catch(this.#warn)
  }

  /** Makes the machine large enough, and sees to it that it becomes no larger than that. */
  async #reach(): Promise<void> {
    const needed = this.#needed()
    if (this.#parts.config.runtime.staticSandboxResourceMgmt) return
    await this.#catchUp()
    const { vcpus, memoryMiB } = this.size
    await this.#goTo({
      vcpus: Math.max(vcpus, needed.vcpus),
      memoryMiB: Math.max(memoryMiB, needed.memoryMiB),
    })
    if (this.#hasTooMuch(needed)) this.#takeBack()
  }

  /** Begins to ask for what is too much, until it has come or the guest was asked often enough; in place of one that began before. */
  #takeBack(): void {
    if (this.#parts.config.runtime.staticSandboxResourceMgmt) return
    const turn = ++this.#turn
    this.#askAgain(turn).catch(this.#warn)
  }

  async #askAgain(turn: number): Promise<void> {
    const { over, onTakenBack, clock = realClock } = this.#parts
    let before = this.size
    const ask = async () => {
      if (turn !== this.#turn || over.aborted) return 'done'
      const needed = this.#needed()
      if (await this.#step(needed)) return 'more'
      // Also what came after the guest was asked the last time.
      if (!isEqual(before, this.size)) await onTakenBack()
      before = this.size
      return this.#hasTooMuch(needed) ? 'later' : 'done'
    }
    // A VMM that is too busy to answer may do so the next time.
    const askLater = (error: unknown) => {
      this.#warn(error)
      return 'later'
    }
    for (const pause of pausesMs) {
      await clock.sleep(pause, over)
      // Each step in its own turn: a container that comes does not wait for all of them.
      const askInTurn = () => this.#alone(ask).catch(askLater)
      let answer = await askInTurn()
      while (answer === 'more') answer = await askInTurn()
      if (answer === 'done') return
    }
  }

  readonly #warn = (error: unknown): void => {
    if (!this.#parts.over.aborted) this.#parts.log.warn('the machine did not shrink', { error })
  }

  /** @throws KataError SANDBOX_TOO_LARGE. */
  #needed(): MachineSize {
    const { config, podLimits } = this.#parts
    return neededSize(config, this.#demands.values(), hostMemoryMiB(), podLimits())
  }

  /** Brings the machine as near to `needed` as it can come now. */
  async #goTo(needed: MachineSize): Promise<void> {
    let isNearer = true
    while (isNearer) isNearer = await this.#step(needed)
  }

  /** Whether another step leads nearer: only while memory really comes or goes. */
  async #step(needed: MachineSize): Promise<boolean> {
    const wanted = this.#next(needed)
    if (wanted === undefined) return false
    const before = this.size
    await this.#resize(wanted)
    const { vcpus, memoryMiB } = this.#size
    if (vcpus !== before.vcpus || memoryMiB !== before.memoryMiB)
      this.#parts.log.info('machine resized', { vcpus, memoryMiB })
    return memoryMiB !== before.memoryMiB && this.#next(needed) !== undefined
  }

  /** Without this a later container would count on memory that is there and offline. */
  async #catchUp(): Promise<void> {
    if (!this.#isBehind) return
    await this.#parts.agent.onlineCPUMem({ nbCpus: this.size.vcpus, wait: false, cpuOnly: false })
    this.#isBehind = false
  }

  /** Whether it has what no container needs. One that has too little may be as large as it can be. */
  #hasTooMuch(needed: MachineSize): boolean {
    const { vcpus, memoryMiB } = this.size
    const wanted = this.#next(needed)
    return wanted !== undefined && (wanted.vcpus < vcpus || wanted.memoryMiB < memoryMiB)
  }

  /** The size to go to now, or undefined when the machine is as needed. */
  #next(needed: MachineSize): MachineSize | undefined {
    const { memoryMiB, vcpus } = this.size
    const missing = needed.memoryMiB - memoryMiB
    if (missing === 0 && needed.vcpus === vcpus) return undefined
    const block = this.#parts.memoryBlockMiB
    const blocks = Math.min(Math.ceil(missing / block), Math.floor((memoryMiB * mostGrowth) / block))
    if (blocks === 0 && needed.vcpus === vcpus) return undefined
    return { vcpus: needed.vcpus, memoryMiB: memoryMiB + blocks * block }
  }

  async #resize(wanted: MachineSize): Promise<void> {
    const { vmm, agent, over, onGrowing, onResized } = this.#parts
    const before = this.size
    onGrowing(wanted)
    this.#size = await vmm.resize(wanted)
    // A VMM that waits for its guest may notice the end late. Its cgroups are gone by then, and its pid may be another's.
    over.throwIfAborted()
    await onResized()
    const newCpus = Math.max(0, this.#size.vcpus - before.vcpus)
    const moreMemory = this.#size.memoryMiB > before.memoryMiB
    if (newCpus === 0 && !moreMemory) return
    this.#isBehind = true
    await agent.onlineCPUMem({ nbCpus: newCpus, wait: newCpus > 0, cpuOnly: !moreMemory })
    this.#isBehind = false
  }
}
