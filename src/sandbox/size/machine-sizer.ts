/** Keeps the machine as large as its containers need, while they come, change and go. */
import { totalmem } from 'node:os'
import type { AgentClient } from '../../agent/client.ts'
import type { PodLimits } from '../../cgroups/pod-limits.ts'
import type { Config } from '../../config/config.ts'
import type { Logger } from '../../log.ts'
import { serially } from '../../time.ts'
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
  readonly log: Logger
}

/** Memory may grow by this factor at once: the kernel keeps 1.6 % of what comes in what it has. */
const mostGrowth = 16
const mebibyte = 1024 * 1024

export const hostMemoryMiB = (): number => Math.floor(totalmem() / mebibyte)

export class MachineSizer {
  readonly #parts: MachineSizerParts
  readonly #demands = new Map<string, Demand>()
  #size: MachineSize
  /** Whether the guest may not use all of that: it failed to take what came. */
  #isBehind = false
  readonly #alone = serially()

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
   * @throws KataError SANDBOX_TOO_LARGE, VMM_MEMORY_SLOTS, VMM_MEMORY_REFUSED, VMM_NO_HUGEPAGES.
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
        throw error
      }
    })
  }

  /** Takes back what a removed container needed, as far as the machine can shrink. */
  forget(containerId: string): Promise<void> {
    return this.#alone(async () => {
      if (this.#demands.delete(containerId)) await this.#reach()
    }).catch((error) => this.#parts.log.warn('the machine did not shrink', { error }))
  }

  async #reach(): Promise<void> {
    const { config, podLimits, log } = this.#parts
    const needed = neededSize(config, this.#demands.values(), hostMemoryMiB(), podLimits())
    if (config.runtime.staticSandboxResourceMgmt) return
    await this.#catchUp()
    let wanted = this.#next(needed)
    while (wanted !== undefined) {
      const before = this.size
      await this.#resize(wanted)
      const { vcpus, memoryMiB } = this.#size
      if (vcpus !== before.vcpus || memoryMiB !== before.memoryMiB)
        log.info('machine resized', { vcpus, memoryMiB })
      // Further steps only while memory really comes or goes: a busy guest may be long about giving it up.
      wanted = memoryMiB === before.memoryMiB ? undefined : this.#next(needed)
    }
  }

  /** Without this a later container would count on memory that is there and offline. */
  async #catchUp(): Promise<void> {
    if (!this.#isBehind) return
    await this.#parts.agent.onlineCPUMem({ nbCpus: this.size.vcpus, wait: false, cpuOnly: false })
    this.#isBehind = false
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
    const { vmm, agent, onGrowing, onResized } = this.#parts
    const before = this.size
    onGrowing(wanted)
    this.#size = await vmm.resize(wanted)
    await onResized()
    const newCpus = Math.max(0, this.#size.vcpus - before.vcpus)
    const moreMemory = this.#size.memoryMiB > before.memoryMiB
    if (newCpus === 0 && !moreMemory) return
    this.#isBehind = true
    await agent.onlineCPUMem({ nbCpus: newCpus, wait: newCpus > 0, cpuOnly: !moreMemory })
    this.#isBehind = false
  }
}
