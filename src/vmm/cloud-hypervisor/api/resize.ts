/** How a running machine of Cloud Hypervisor becomes larger. */
import type { MachineSize } from '../../vmm.ts'
import { memoryBlockMiB, type VmConfig } from '../settings/vm-config.ts'
import type { Call } from './disks.ts'

const mebibyte = 1024 * 1024

export class Resizer {
  readonly #put: Call
  readonly #bootMiB: number
  readonly #most: MachineSize
  #now: MachineSize

  /** For a machine that is made of this. */
  constructor(put: Call, { cpus, memory }: Pick<VmConfig, 'cpus' | 'memory'>) {
    this.#put = put
    this.#bootMiB = memory.size / mebibyte
    this.#most = {
      vcpus: cpus.max_vcpus,
      memoryMiB: this.#bootMiB + (memory.hotplug_size ?? 0) / mebibyte,
    }
    this.#now = { vcpus: cpus.boot_vcpus, memoryMiB: this.#bootMiB }
  }

  /**
   * Goes as near as it can and returns what the machine then has. Memory comes as whole blocks, rounded up where there is
   * room. Nothing is taken back: no guest gives memory modules up, and whether it gave up a processor the API does not tell.
   *
   * @throws KataError VMM_COMMAND_FAILED; what was reached before stays.
   */
  async resize(wanted: MachineSize): Promise<MachineSize> {
    await this.#resizeMemory(wanted.memoryMiB)
    const vcpus = Math.min(Math.ceil(wanted.vcpus), this.#most.vcpus)
    if (vcpus > this.#now.vcpus) {
      await this.#put('vm.resize', { body: { desired_vcpus: vcpus } })
      this.#now = { ...this.#now, vcpus }
    }
    return this.#now
  }

  async #resizeMemory(wanted: number): Promise<void> {
    const growth = Math.min(wanted, this.#most.memoryMiB) - this.#bootMiB
    const memoryMiB = this.#bootMiB + Math.ceil(growth / memoryBlockMiB) * memoryBlockMiB
    if (memoryMiB <= this.#now.memoryMiB) return
    await this.#put('vm.resize', { body: { desired_ram: memoryMiB * mebibyte } })
    this.#now = { ...this.#now, memoryMiB }
  }
}
