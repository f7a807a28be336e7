/** Where disks sit in the machine: on a root port of their own, or together on one SCSI controller. */
import { KataError } from '../../../errors.ts'
import type { DiskAddress, DiskAttachment } from '../../machine/disk.ts'
import { portPath, type RootPorts, rootPort } from './root-ports.ts'

/** QEMU's name for the controller that all virtio-scsi disks share. */
const controllerId = 'scsi'
/** Kata's numbering: 256 disks on every target. */
const lunsPerTarget = 256
const mostScsiDisks = 256 * lunsPerTarget

export interface DiskPlace {
  /** Properties of QEMU's device: what it is and where it goes. */
  readonly device: Readonly<Record<string, string | number>>
  readonly address: DiskAddress
  free(): void
}

export class DiskPlaces {
  readonly #ports: RootPorts
  readonly #scsi = new Set<number>()

  constructor(ports: RootPorts) {
    this.#ports = ports
  }

  /** @throws KataError VMM_NO_FREE_PORT. */
  take({ bus, name }: DiskAttachment): DiskPlace {
    return bus === 'virtio-scsi' ? this.#takeScsi(name) : this.#takePci(name)
  }

  /** The controller's own place, for good: a port. @throws KataError VMM_NO_FREE_PORT. */
  takeController(): Omit<DiskPlace, 'address'> {
    const port = this.#ports.take('the SCSI controller')
    return {
      device: { driver: 'virtio-scsi-pci', id: controllerId, bus: rootPort(port) },
      free: () => this.#ports.free(port),
    }
  }

  #takePci(name: string): DiskPlace {
    const port = this.#ports.take(name)
    return {
      device: { driver: 'virtio-blk-pci', bus: rootPort(port) },
      address: { driver: 'blk', pciPath: portPath(port) },
      free: () => this.#ports.free(port),
    }
  }

  #takeScsi(name: string): DiskPlace {
    let index = 0
    while (this.#scsi.has(index)) index++
    if (index >= mostScsiDisks)
      throw new KataError('VMM_NO_FREE_PORT', { device: name, ports: mostScsiDisks })
    this.#scsi.add(index)
    const [target, lun] = [Math.floor(index / lunsPerTarget), index % lunsPerTarget]
    return {
      device: { driver: 'scsi-hd', bus: `${controllerId}.0`, channel: 0, 'scsi-id': target, lun },
      address: { driver: 'scsi', address: `${target}:${lun}` },
      free: () => void this.#scsi.delete(index),
    }
  }
}
