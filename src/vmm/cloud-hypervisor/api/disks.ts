/** A machine's disks: those that are there at boot, and those that come and go. */
import { KataError } from '../../../errors.ts'
import type { DiskNodes } from '../../host/disk-nodes.ts'
import type { CallOptions } from '../../http/api.ts'
import type { DiskAddress, DiskAttachment } from '../../machine/disk.ts'
import type { RateLimiter } from '../../machine/disk-limit.ts'
import { asObject } from '../../monitor/answers.ts'
import type { DiskConfig } from '../settings/vm-config.ts'
import { deviceGone, findSlot, slotOf } from './device-tree.ts'

export type Call = (command: string, options?: CallOptions) => Promise<unknown>

export class Disks {
  readonly #put: Call
  readonly #info: () => Promise<unknown>
  readonly #nodes: DiskNodes
  readonly #limit: RateLimiter | undefined
  readonly #addresses = new Map<string, DiskAddress>()

  /** `limit` holds for each disk. */
  constructor(calls: { put: Call; info: () => Promise<unknown> }, nodes: DiskNodes, limit?: RateLimiter) {
    this.#put = calls.put
    this.#info = calls.info
    this.#nodes = nodes
    this.#limit = limit
  }

  /**
   * Adds disks to a machine that is not booted yet and has `boot` boot it, which is when the VMM opens them; then their
   * places are known.
   */
  async boot(disks: readonly DiskAttachment[], boot: () => Promise<void>): Promise<void> {
    const [disk, ...rest] = disks
    if (disk === undefined) return boot()
    await this.#nodes.during(disk, async (path) => {
      await this.#put('vm.add-disk', { body: this.#config(disk, path) })
      await this.boot(rest, boot)
    })
    this.#addresses.set(disk.id, { driver: 'blk', pciPath: await findSlot(this.#info, disk.id) })
  }

  /** Plugs a disk into a running machine: whole or not at all. @throws KataError VMM_COMMAND_FAILED, VMM_OPTION_INVALID. */
  async plug(disk: DiskAttachment): Promise<DiskAddress> {
    const answer = await this.#nodes.during(disk, (path) =>
      this.#put('vm.add-disk', { body: this.#config(disk, path) }),
    )
    const address: DiskAddress = {
      driver: 'blk',
      pciPath: slotOf(asObject(answer, 'the answer to vm.add-disk').bdf),
    }
    this.#addresses.set(disk.id, address)
    return address
  }

  /** Takes a disk out and waits until guest and VMM have let go of it; nothing for one that is not there. */
  async unplug(id: string): Promise<void> {
    if (!this.#addresses.has(id)) return
    await this.#put('vm.remove-device', { body: { id } })
    await deviceGone(this.#info, id)
    this.#addresses.delete(id)
  }

  address(id: string): DiskAddress | undefined {
    return this.#addresses.get(id)
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
