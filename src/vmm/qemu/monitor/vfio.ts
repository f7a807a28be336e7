/** Host devices in one QEMU: handed over as descriptors, at its start or while it runs, each on a root port of its own. */
import type { Config } from '../../../config/config.ts'
import type { PassThrough, VfioAttachment } from '../../machine/pass-through.ts'
import type { VmSpec } from '../../vmm.ts'
import type { VmmProcess } from '../../vmm-process.ts'
import { iommuId, placeVfio, type VfioPlaces, vfioDevice } from '../settings/cold-vfio.ts'
import { type MemorySettings, memorySizes } from '../settings/memory.ts'
import { portPath, type RootPorts } from '../settings/root-ports.ts'
import type { Unplugs } from './unplug.ts'

/** What QEMU maps for devices besides the guest's memory: firmware, ROMs, registers. */
const besidesMiB = 256

/**
 * How much memory the VMM may lock: a device reads and writes all of the guest's, so none of it may be moved. Undefined for a
 * machine that takes no device: the usual limit stays.
 */
export function memoryForVfio(
  spec: VmSpec,
  settings: MemorySettings,
  { hotPlugVfio, coldPlugVfio }: Pick<Config['hypervisor'], 'hotPlugVfio' | 'coldPlugVfio'>,
): number | undefined {
  if (hotPlugVfio === 'no-port' && coldPlugVfio === 'no-port') return undefined
  return memorySizes(spec, settings).maxMiB + besidesMiB
}

type Execute = (command: string, args: object, fds?: readonly number[]) => Promise<unknown>

export class QemuVfio implements PassThrough {
  readonly #execute: Execute
  readonly #ports: RootPorts
  readonly #unplugs: Unplugs
  readonly #plugged: VfioPlaces = new Map()
  #hasIommu = false

  constructor(execute: Execute, ports: RootPorts, unplugs: Unplugs) {
    this.#execute = execute
    this.#ports = ports
    this.#unplugs = unplugs
  }

  /** Whether all of the guest's memory is mapped for devices, and what comes later will be. */
  get hasIommu(): boolean {
    return this.#hasIommu
  }

  pathOf(id: string): string | undefined {
    const port = this.#plugged.get(id)?.port
    return port === undefined ? undefined : portPath(port)
  }

  /** Notes devices that are there from the start, where command-line.ts has put them. */
  atStart(devices: readonly VfioAttachment[]): void {
    this.#hasIommu = devices.length > 0
    for (const device of devices) this.#take(device)
  }

  /** When it throws, QEMU is as before, but for the address space. */
  async plug(device: VfioAttachment): Promise<string> {
    // What the guest has let go of since its removal failed takes no port any more.
    for (const id of this.#plugged.keys()) if (this.#unplugs.takeGone(id)) this.#forget(id)
    const port = this.#take(device)
    try {
      await this.#needIommu(device.iommu)
      await this.#execute('getfd', { fdname: device.id }, [device.fd])
      await this.#execute('device_add', vfioDevice(device, device.id, port))
      return portPath(port)
    } catch (error) {
      // A device that was not made has not taken the descriptor along.
      await this.#execute('closefd', { fdname: device.id }).catch(() => {})
      this.#forget(device.id)
      throw error
    }
  }

  async unplug(id: string): Promise<void> {
    const device = this.#plugged.get(id)
    if (device === undefined) return
    await this.#unplugs.remove(id, device.name)
    this.#forget(id)
  }

  #take(device: VfioAttachment): number {
    return placeVfio(device, this.#plugged, this.#ports)
  }

  #forget(id: string): void {
    const device = this.#plugged.get(id)
    if (device !== undefined) this.#ports.free(device.port)
    this.#plugged.delete(id)
  }

  async #needIommu(fd: number): Promise<void> {
    if (this.#hasIommu) return
    await this.#execute('getfd', { fdname: iommuId }, [fd])
    try {
      await this.#execute('object-add', { 'qom-type': 'iommufd', id: iommuId, fd: iommuId })
      this.#hasIommu = true
    } catch (error) {
      await this.#execute('closefd', { fdname: iommuId }).catch(() => {})
      throw error
    }
  }
}

/** The same, with what is handed over noted for audits. The address space of the first device stays when that has gone. */
export function notedPassThrough(
  vfio: PassThrough,
  process: Pick<VmmProcess, 'handOver' | 'givenBack'>,
): PassThrough {
  return {
    pathOf: (id) => vfio.pathOf(id),
    plug: (device) =>
      process.handOver(iommuId, [device.iommu], () =>
        process.handOver(device.id, [device.fd], () => vfio.plug(device)),
      ),
    unplug: async (id) => {
      await vfio.unplug(id)
      process.givenBack(id)
    },
  }
}
