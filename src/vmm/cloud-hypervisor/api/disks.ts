/** A machine's disks: the one that it boots from, and those that come and go. */
import { KataError } from '../../../errors.ts'
import type { DiskNodes } from '../../host/disk-nodes.ts'
import type { CallOptions } from '../../http/api.ts'
import { type DiskAddress, type DiskAttachment, noSuchDisk } from '../../machine/disk.ts'
import type { RateLimiter } from '../../machine/disk-limit.ts'
import { asObject } from '../../monitor/answers.ts'
import type { DiskConfig } from '../settings/vm-config.ts'
import { deviceGone, slotOf, wantsDisk } from './device-tree.ts'

export type Call = (command: string, options?: CallOptions) => Promise<unknown>

export class Disks {
  readonly #put: Call
  readonly #info: () => Promise<unknown>
  readonly #nodes: DiskNodes
  readonly #limit: RateLimiter | undefined
  /** Ids of those that came later. */
  readonly #plugged = new Set<string>()
  /** Those of them that the VMM was told to remove. */
  readonly #leaving = new Set<string>()

  /** `limit` holds for each disk. */
  constructor(calls: { put: Call; info: () => Promise<unknown> }, nodes: DiskNodes, limit?: RateLimiter) {
    this.#put = calls.put
    this.#info = calls.info
    this.#nodes = nodes
    this.#limit = limit
  }

  /** Adds the root disk to a machine that is not booted yet and has `boot` boot it, which is when the VMM opens the disk. */
  async boot(root: DiskAttachment, boot: () => Promise<unknown>): Promise<void> {
    await this.#nodes.during(root, async (path) => {
      await this.#put('vm.add-disk', { body: this.#config(root, path) })
      await boot()
    })
  }

  /**
   * Plugs a disk into a running machine: whole or not at all.
   *
   * @throws KataError VMM_COMMAND_FAILED, VMM_OPTION_INVALID; those of {@link unplug} while one of this id is on its way out.
   */
  async plug(disk: DiskAttachment): Promise<DiskAddress> {
    if (this.#leaving.has(disk.id)) await this.unplug(disk.id)
    const answer = await this.#nodes.during(disk, (path) =>
      this.#put('vm.add-disk', { body: this.#config(disk, path) }),
    )
    const pciPath = slotOf(asObject(answer, 'the answer to vm.add-disk').bdf)
    this.#plugged.add(disk.id)
    return { driver: 'blk', pciPath }
  }

  /**
   * Takes a disk out and waits until guest and VMM have let go of it; nothing for one that is not there. May be tried again
   * after a failure.
   *
   * @throws KataError VMM_COMMAND_TIMEOUT when the guest does not let go of it, VMM_COMMAND_FAILED.
   */
  async unplug(id: string): Promise<void> {
    if (!this.#plugged.has(id)) return
    await this.#remove(id)
    this.#leaving.add(id)
    await deviceGone(this.#info, id)
    this.#leaving.delete(id)
    this.#plugged.delete(id)
    this.#nodes.forget(id)
  }

  /** Tells the guest again when it was told before: it may have missed that. */
  async #remove(id: string): Promise<void> {
    try {
      await this.#put('vm.remove-device', { body: { id } })
    } catch (error) {
      // It refuses one that is gone meanwhile, and 53.0 one that is on its way as well.
      if (!(error instanceof KataError && error.code === 'VMM_COMMAND_FAILED')) throw error
      if (await wantsDisk(this.#info, id)) throw error
    }
  }

  /** Tells the guest of the size that a disk has by now. @throws KataError VMM_OPTION_INVALID, VMM_COMMAND_FAILED. */
  async resize(id: string, bytes: number): Promise<void> {
    if (!this.#plugged.has(id)) throw noSuchDisk(id)
    this.#nodes.resize(id)
    // Of a block device it only checks that the size is the one that it is told.
    await this.#put('vm.resize-disk', { body: { id, desired_size: bytes } })
  }

  #config(disk: DiskAttachment, path: string): DiskConfig {
    const config = diskConfig(disk, path)
    return this.#limit === undefined ? config : { ...config, rate_limiter_config: this.#limit }
  }
}

function diskConfig({ id, readonly, direct, bus }: DiskAttachment, path: string): DiskConfig {
  if (bus !== 'virtio-blk')
    throw new KataError('VMM_OPTION_INVALID', {
      reason: `disk ${id} is to be ${bus}, and it makes virtio-blk`,
    })
  return { id, path, readonly, direct, image_type: 'Raw' }
}
