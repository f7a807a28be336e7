/** Disks that come and go while the machine runs, each behind one of the drives that it has had from the start. */
import { KataError } from '../../../errors.ts'
import type { DiskNodes } from '../../host/disk-nodes.ts'
import { type DiskAddress, type DiskAttachment, noSuchDisk } from '../../machine/disk.ts'
import type { VmSpec } from '../../vmm.ts'
import { firecracker } from '../configuration/configuration.ts'
import { driveId, emptyDrive, guestNode, readonlyDrives, writableDrives } from '../settings/drive-list.ts'

export interface DrivesOptions {
  readonly spec: Pick<VmSpec, 'rootDisk'>
  readonly nodes: DiskNodes
  /** Has Firecracker open this path of its jail for a drive. */
  readonly patch: (id: string, path: string) => Promise<void>
}

interface Slot {
  readonly index: number
  readonly readonly: boolean
  /** Id of the disk behind it. */
  disk?: string
}

export class Drives {
  readonly #options: DrivesOptions
  readonly #slots: readonly Slot[] = Array.from({ length: writableDrives + readonlyDrives }, (_, index) => ({
    index,
    readonly: index >= writableDrives,
  }))

  constructor(options: DrivesOptions) {
    this.#options = options
  }

  /** @throws KataError VMM_NO_FREE_DRIVE, VMM_COMMAND_FAILED with Firecracker's reason. */
  async plug(disk: DiskAttachment): Promise<DiskAddress> {
    const { nodes, patch } = this.#options
    const slot = this.#slots.find((slot) => slot.disk === undefined && slot.readonly === disk.readonly)
    if (slot === undefined)
      throw new KataError('VMM_NO_FREE_DRIVE', {
        device: disk.name,
        vmm: firecracker.name,
        drives: disk.readonly ? readonlyDrives : writableDrives,
      })
    slot.disk = disk.id
    try {
      await nodes.during(disk, (path) => patch(driveId(slot.index), path))
    } catch (error) {
      delete slot.disk
      throw error
    }
    return { driver: 'mmioblk', node: guestNode(slot.index, this.#options.spec) }
  }

  /** Puts nothing behind the drive again, once the guest has let go of it; nothing for one that is not there. */
  async unplug(id: string): Promise<void> {
    const slot = this.#slots.find(({ disk }) => disk === id)
    if (slot === undefined) return
    await this.#options.patch(driveId(slot.index), emptyDrive)
    delete slot.disk
    this.#options.nodes.forget(id)
  }

  /** Has Firecracker open the same device again, whose size it then reads and tells the guest. @throws as {@link plug}, VMM_OPTION_INVALID. */
  async resize(id: string): Promise<void> {
    const slot = this.#slots.find(({ disk }) => disk === id)
    if (slot === undefined) throw noSuchDisk(id)
    const { nodes, patch } = this.#options
    nodes.resize(id)
    await nodes.again(id, (path) => patch(driveId(slot.index), path))
  }
}
