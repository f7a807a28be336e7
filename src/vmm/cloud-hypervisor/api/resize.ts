/** How a running machine of Cloud Hypervisor becomes larger. */
import { KataError } from '../../../errors.ts'
import type { MachineSize } from '../../vmm.ts'
import { memoryBlockMiB, type VmConfig } from '../settings/vm-config.ts'
import type { Call } from './disks.ts'

const mebibyte = 1024 * 1024

/** Promises the machine so much more of the host's memory, MiB, where it has to be; what it returns gives that up. */
export type PromiseMemory = (memoryMiB: number) => Promise<(() => Promise<void>) | undefined>

export class Resizer {
  readonly #put: Call
  readonly #promise: PromiseMemory
  readonly #bootMiB: number
  readonly #most: MachineSize
  #now: MachineSize
  #promisedMiB: number

  /** For a machine that is made of this, and has been promised that. */
  constructor(put: Call, { cpus, memory }: Pick<VmConfig, 'cpus' | 'memory'>, promise: PromiseMemory) {
    this.#put = put
    this.#promise = promise
    this.#bootMiB = memory.size / mebibyte
    this.#promisedMiB = this.#bootMiB
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
   * @throws KataError VMM_COMMAND_FAILED, those of the promise; what was reached before stays.
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
    const giveUp = await this.#promiseUpTo(memoryMiB)
    try {
      await this.#put('vm.resize', { body: { desired_ram: memoryMiB * mebibyte } })
    } catch (error) {
      // One that does not answer may have grown all the same.
      if (error instanceof KataError && error.code === 'VMM_COMMAND_FAILED') await giveUp()
      throw error
    }
    this.#now = { ...this.#now, memoryMiB }
  }

  async #promiseUpTo(memoryMiB: number): Promise<() => Promise<void>> {
    const before = this.#promisedMiB
    if (memoryMiB <= before) return async () => {}
    const giveUp = await this.#promise(memoryMiB - before)
    this.#promisedMiB = memoryMiB
    return async () => {
      await giveUp?.()
      this.#promisedMiB = before
    }
  }
}
