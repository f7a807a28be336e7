/** The disks that one QEMU is given while it runs: handed over as descriptors, and taken out without a trace. */
import { KataError } from '../../../errors.ts'
import { type DiskAddress, type DiskAttachment, noSuchDisk } from '../../machine/disk.ts'
import { type DiskPlace, DiskPlaces } from '../settings/disk-places.ts'
import { blockNode, configuredLimit, type DiskConfig } from '../settings/disk-settings.ts'
import type { RootPorts } from '../settings/root-ports.ts'
import { addFd } from './fd-set.ts'
import type { Unplugs } from './unplug.ts'

interface Plugged {
  readonly name: string
  readonly set: number
  readonly place: DiskPlace
  /** What a removal has to begin with; later than `device` after one that stopped half-way. */
  stage: 'device' | 'node' | 'limit' | 'set'
}

export interface QemuDisksOptions {
  readonly execute: (command: string, args: object, fds?: readonly number[]) => Promise<unknown>
  readonly ports: RootPorts
  readonly unplugs: Unplugs
  readonly config: DiskConfig
}

export class QemuDisks {
  readonly #options: QemuDisksOptions
  readonly #places: DiskPlaces
  readonly #plugged = new Map<string, Plugged>()
  #controller: Promise<void> | undefined

  constructor(options: QemuDisksOptions) {
    this.#options = options
    this.#places = new DiskPlaces(options.ports)
  }

  /**
   * Plugs one in while the machine runs. When it throws, QEMU is as before.
   *
   * @throws KataError VMM_OPTION_INVALID, VMM_NO_FREE_PORT, VMM_COMMAND_FAILED and the other failures of a command.
   */
  async plug(disk: DiskAttachment): Promise<DiskAddress> {
    const { execute, config } = this.#options
    await this.#finishRemovals()
    const undo: (() => unknown)[] = []
    try {
      if (disk.bus === 'virtio-scsi') await this.#needController()
      const place = this.#take(disk)
      undo.push(() => place.free())
      const set = await addFd(execute, disk.fd)
      undo.push(() => execute('remove-fd', { 'fdset-id': set }))
      const limit = configuredLimit(disk.id, config)
      if (limit !== undefined) {
        await execute('object-add', limit)
        undo.push(() => execute('object-del', { id: limit.id }))
      }
      await execute('blockdev-add', blockNode(disk, set, config))
      undo.push(() => execute('blockdev-del', { 'node-name': disk.id }))
      await execute('device_add', { ...place.device, id: disk.id, drive: disk.id })
      this.#plugged.set(disk.id, { name: disk.name, set, place, stage: 'device' })
      return place.address
    } catch (error) {
      // A QEMU that cannot even undo is ending, and the sandbox with it.
      for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => {})
      throw error
    }
  }

  /**
   * Takes one out and waits until the guest has let go of it; nothing of it stays in QEMU. Does nothing for one that is not
   * there; may be tried again after a failure.
   *
   * @throws KataError VMM_UNPLUG_REFUSED, or of a command.
   */
  async unplug(id: string): Promise<void> {
    const disk = this.#plugged.get(id)
    if (disk === undefined) return
    const { execute, unplugs, config } = this.#options
    if (disk.stage === 'device') {
      await unplugs.remove(id, disk.name)
      leave(disk)
    }
    if (disk.stage === 'node') {
      await execute('blockdev-del', { 'node-name': id })
      disk.stage = 'limit'
    }
    const limit = configuredLimit(id, config)
    if (disk.stage === 'limit') {
      if (limit !== undefined) await execute('object-del', { id: limit.id })
      disk.stage = 'set'
    }
    await execute('remove-fd', { 'fdset-id': disk.set })
    this.#plugged.delete(id)
  }

  /** Tells the guest of the size that a disk has by now. @throws KataError VMM_OPTION_INVALID, or of the command. */
  async resize(id: string, bytes: number): Promise<void> {
    if (!this.#plugged.has(id)) throw noSuchDisk(id)
    await this.#options.execute('block_resize', { 'node-name': id, size: bytes })
  }

  /** What the guest has let go of since its removal failed takes no place any more. What QEMU still keeps is left to another removal. */
  async #finishRemovals(): Promise<void> {
    for (const [id, disk] of this.#plugged) {
      if (!this.#options.unplugs.takeGone(id)) continue
      leave(disk)
      await this.unplug(id).catch(() => {})
    }
  }

  /** Its id becomes a name in QEMU, which no other disk has. */
  #take(disk: DiskAttachment): DiskPlace {
    if (!/^[a-z][a-z0-9-]{0,30}$/.test(disk.id) || this.#plugged.has(disk.id))
      throw new KataError('VMM_OPTION_INVALID', { reason: `disk id is ${JSON.stringify(disk.id)}` })
    return this.#places.take(disk)
  }

  /** The controller comes with the first disk, because it costs boot time, and stays. */
  #needController(): Promise<void> {
    this.#controller ??= this.#plugController().catch((error) => {
      this.#controller = undefined
      throw error
    })
    return this.#controller
  }

  async #plugController(): Promise<void> {
    const { device, free } = this.#places.takeController()
    try {
      await this.#options.execute('device_add', device)
    } catch (error) {
      free()
      throw error
    }
  }
}

/** Notes that the device has gone. */
function leave(disk: Plugged): void {
  disk.place.free()
  disk.stage = 'node'
}
