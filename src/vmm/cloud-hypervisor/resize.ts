/** How far a running machine can be brought towards a size. */
import type { Call } from './disks.ts'
import { memoryBlockMiB, type VmConfig } from './vm-config.ts'

export interface Size {
  readonly vcpus: number
  readonly memoryMiB: number
}

const mebibyte = 1024 * 1024

export class Resizer {
  readonly #put: Call
  readonly #most: Size
  readonly #boot: Size
  #now: Size

  constructor(put: Call, { cpus, memory }: Pick<VmConfig, 'cpus' | 'memory'>) {
    this.#put = put
    const memoryMiB = memory.size / mebibyte
    this.#boot = { vcpus: cpus.boot_vcpus, memoryMiB }
    this.#most = { vcpus: cpus.max_vcpus, memoryMiB: memoryMiB + (memory.hotplug_size ?? 0) / mebibyte }
    this.#now = this.#boot
  }

  /**
   * Goes as near as it can and returns what the machine then has. Memory grows by whole blocks, rounded up where there is
   * room, and is not given back; processors stay between those at boot and the most.
   *
   * @throws KataError VMM_COMMAND_FAILED; what was reached before stays.
   */
  async resize(wanted: Size): Promise<Size> {
    await this.#resizeMemory(wanted.memoryMiB)
    const vcpus = Math.min(Math.max(Math.ceil(wanted.vcpus), this.#boot.vcpus), this.#most.vcpus)
    if (vcpus > this.#now.vcpus) {
      await this.#put('vm.resize', { body: { desired_vcpus: vcpus } })
      this.#now = { ...this.#now, vcpus }
    }
    return this.#now
  }

  async #resizeMemory(wanted: number): Promise<void> {
    const grows = Math.min(wanted, this.#most.memoryMiB) - this.#boot.memoryMiB
    const memoryMiB = this.#boot.memoryMiB + Math.ceil(grows / memoryBlockMiB) * memoryBlockMiB
    if (memoryMiB <= this.#now.memoryMiB) return
    await this.#put('vm.resize', { body: { desired_ram: memoryMiB * mebibyte } })
    this.#now = { ...this.#now, memoryMiB }
  }
}
