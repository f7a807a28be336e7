/** Host devices that are there from the machine's start: one address space, and each device on a root port. */
import { KataError } from '../../../errors.ts'
import type { VfioAttachment } from '../../machine/pass-through.ts'
import { type RootPorts, rootPort } from './root-ports.ts'

/** QEMU's object for the IOMMU's address space: there with the first device, and stays. */
export const iommuId = 'iommu'

/** The ports of devices that are plugged in, by id, with the devices' names for people. */
export type VfioPlaces = Map<string, { readonly name: string; readonly port: number }>

/** Takes a port for a device. @throws KataError VMM_OPTION_INVALID, VMM_NO_FREE_PORT. */
export function placeVfio({ id, name }: VfioAttachment, places: VfioPlaces, ports: RootPorts): number {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(id) || id === iommuId || places.has(id))
    throw new KataError('VMM_OPTION_INVALID', { reason: `device id is ${JSON.stringify(id)}` })
  const port = ports.take(name)
  places.set(id, { name, port })
  return port
}

/** QEMU's device; `fd`: a number in QEMU's process, or the name by which it was given one. */
export function vfioDevice({ id }: VfioAttachment, fd: string, port: number) {
  return { driver: 'vfio-pci', id, iommufd: iommuId, fd, bus: rootPort(port) }
}

/** QEMU's arguments; `fd` gives the number of the descriptor of the address space, and of a device by its id. */
export function coldVfioArgs(
  devices: readonly VfioAttachment[],
  ports: RootPorts,
  fd: (id: string) => number,
): string[] {
  if (devices.length === 0) return []
  const places: VfioPlaces = new Map()
  const deviceArgs = devices.flatMap((device) => {
    const port = placeVfio(device, places, ports)
    const { driver, ...options } = vfioDevice(device, String(fd(device.id)), port)
    return [
      '-device',
      [driver, ...Object.entries(options).map(([name, value]) => `${name}=${value}`)].join(','),
    ]
  })
  return ['-object', `iommufd,id=${iommuId},fd=${fd(iommuId)}`, ...deviceArgs]
}
