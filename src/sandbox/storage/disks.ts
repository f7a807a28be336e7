/** The disks of a sandbox: each is plugged into the machine once, however many containers use it, and goes with the last. */
import { closeSync } from 'node:fs'
import type { DiskAccess, HostDisk } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { serially } from '../../time.ts'
import type { DiskAddress, DiskAttachment } from '../../vmm/machine/disk.ts'

/**
 * A disk that the VMM holds open. There is nothing to undo on the host: its node was never touched, and the descriptor goes
 * with the VMM, which the ledger ends.
 */
export const diskResource: ResourceKind<{ id: string; name: string }> = {
  kind: 'disk',
  release: () => {},
}

export interface DisksOptions {
  readonly vmm: {
    plugDisk(disk: DiskAttachment): Promise<DiskAddress>
    unplugDisk(id: string): Promise<void>
    resizeDisk(id: string, bytes: number): Promise<void>
  }
  readonly ledger: Ledger
  readonly bus: DiskAttachment['bus']
}

export interface PluggedDisk {
  readonly id: string
  /** {@link HostDisk.name}. */
  readonly name: string
  readonly readonly: boolean
  readonly address: DiskAddress
}

/** How a container uses a disk. */
export interface DiskUse extends DiskAccess {
  /** Its content goes with the container or the machine, so that nobody needs what the guest has not written yet. Default false. */
  readonly isScratch?: boolean
}

interface Plugged extends PluggedDisk {
  readonly key: string
  readonly isScratch: boolean
  readonly users: Set<string>
  /** The size that was last asked for; at first what the disk had. */
  bytes: number
  /** Its removal has begun and not succeeded yet: the guest may let go of it at any time, so nobody else gets it. */
  isLeaving: boolean
}

/** What a volume's file system shall have, on a disk of the host that has grown. */
export interface DiskGrowth {
  /** For people: the volume's path on the host. */
  readonly volume: string
  readonly disk: HostDisk
  readonly bytes: number
}

export interface AttachedDisk {
  /** Its name in the machine. */
  readonly id: string
  readonly address: DiskAddress
  /** Whether no container had it before. */
  readonly isNew: boolean
}

export class Disks {
  readonly #options: DisksOptions
  readonly #plugged = new Set<Plugged>()
  #count = 0
  /** One change at a time: two containers may want the same disk at once. */
  readonly #alone = serially()

  constructor(options: DisksOptions) {
    this.#options = options
  }

  /** Those of the machine, in the order in which they came. */
  get all(): readonly PluggedDisk[] {
    return [...this.#plugged]
  }

  /** Whether the guest may hold writes to one that outlives it. */
  get areWritten(): boolean {
    return [...this.#plugged].some(({ readonly, isScratch }) => !readonly && !isScratch)
  }

  /**
   * Attaches the disk to a container. A writable attachment is reused for a read-only request. One whose removal failed is taken out first.
   *
   * @throws KataError of opening it, DEVICE_PLUG_FAILED with the VMM's reason, those of a removal such as VMM_UNPLUG_REFUSED.
   */
  attach(container: string, disk: HostDisk, use: DiskUse): Promise<AttachedDisk> {
    return this.#alone(async () => {
      const { key } = disk
      const { isScratch = false, ...access } = use
      const { readonly } = access
      const fitting = [...this.#plugged].filter((other) => other.key === key && (readonly || !other.readonly))
      const known = fitting.find(({ isLeaving }) => !isLeaving)
      if (known !== undefined) {
        known.users.add(container)
        return { id: known.id, address: known.address, isNew: false }
      }
      // Nobody writes where all only read: the disk may be there twice.
      for (const leaving of fitting) if (!(readonly && leaving.readonly)) await this.#unplug(leaving)
      const id = `disk${++this.#count}`
      const address = await this.#plug(id, container, disk, access)
      const bytes = disk.size()
      const users = new Set([container])
      this.#plugged.add({
        id,
        name: disk.name,
        key,
        readonly,
        isScratch,
        address,
        users,
        bytes,
        isLeaving: false,
      })
      return { id, address, isNew: true }
    })
  }

  /**
   * Tells the machine the size that the disk has on the host now, when that is enough for `bytes`. Never less: the VMM would cut a
   * disk image off.
   *
   * @throws KataError DIRECT_VOLUME_SIZE, DIRECT_VOLUME_UNUSED, those of the VMM.
   */
  grow(id: string, { volume, disk, bytes }: DiskGrowth): Promise<void> {
    return this.#alone(async () => {
      const refuse = (reason: string) => new KataError('DIRECT_VOLUME_SIZE', { volume, size: bytes, reason })
      const plugged = [...this.#plugged].find((other) => other.id === id)
      if (plugged === undefined) throw new KataError('DIRECT_VOLUME_UNUSED', { volume })
      if (plugged.key !== disk.key) throw refuse(`${disk.name} is another disk than its containers have`)
      if (plugged.readonly) throw refuse('its containers may only read it')
      if (bytes < plugged.bytes) throw refuse(`it has ${plugged.bytes}, and a volume does not shrink`)
      const there = disk.size()
      if (bytes > there) throw refuse(`${disk.name} has ${there}`)
      if (there % 512 !== 0) throw refuse(`${disk.name} has ${there}, which is no multiple of 512`)
      await this.#options.vmm.resizeDisk(id, there)
      plugged.bytes = bytes
    })
  }

  /**
   * Unplugs the disks that only this container used. With `isHeld` the guest has perhaps not let go of them: a disk that it writes to stays
   * as the container's, because what it has not written back yet would be lost.
   *
   * @returns names of those that stay for that reason. @throws the first failure; the others are unplugged nevertheless.
   */
  detach(container: string, { isHeld = false }: { isHeld?: boolean } = {}): Promise<readonly string[]> {
    return this.#alone(async () => {
      const kept: string[] = []
      const failures: unknown[] = []
      for (const disk of this.#plugged) {
        if (!disk.users.delete(container) || disk.users.size > 0) continue
        if (isHeld && !disk.readonly && !disk.isScratch) {
          disk.users.add(container)
          kept.push(disk.name)
          continue
        }
        try {
          await this.#unplug(disk)
        } catch (error) {
          // The container stays its user, so that another removal tries again.
          disk.users.add(container)
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
      return kept
    })
  }

  async #unplug(disk: Plugged): Promise<void> {
    disk.isLeaving = true
    await this.#options.vmm.unplugDisk(disk.id)
    this.#plugged.delete(disk)
    await this.#options.ledger.release(diskResource, ({ id }) => id === disk.id)
  }

  async #plug(id: string, container: string, disk: HostDisk, access: DiskAccess): Promise<DiskAddress> {
    const { name, kind } = disk
    const { vmm, ledger, bus } = this.#options
    const fd = disk.open(access)
    try {
      return await ledger.take(diskResource, { id, name }, () =>
        vmm.plugDisk({ id, name, fd, kind, bus, ...access }),
      )
    } catch (cause) {
      if (!(cause instanceof KataError) || cause.code !== 'VMM_COMMAND_FAILED') throw cause
      const reason = cause.fields.reason ?? cause.rawMessage
      throw new KataError('DEVICE_PLUG_FAILED', { device: name, container, reason }, { cause })
    } finally {
      closeSync(fd)
    }
  }
}
