/**
 * Devices of a spec. A device number means a device of one kernel: the host's numbers say nothing to the guest, but for
 * the few that are the same device everywhere because the kernel itself makes it out of nothing.
 */
import { KataError } from '../../errors.ts'
import { type DeviceNumbers, deviceNumbers } from '../../linux/device-numbers.ts'
import type { OciDevice } from '../spec.ts'

/** Their paths by number, from Documentation/admin-guide/devices.txt. */
const sameEverywhere: ReadonlyMap<string, string> = new Map([
  ['1:3', '/dev/null'],
  ['1:5', '/dev/zero'],
  ['1:7', '/dev/full'],
  ['1:8', '/dev/random'],
  ['1:9', '/dev/urandom'],
  ['1:11', '/dev/kmsg'],
  ['5:0', '/dev/tty'],
  ['5:1', '/dev/console'],
  ['5:2', '/dev/ptmx'],
  ['10:200', '/dev/net/tun'],
  ['10:224', '/dev/tpm0'],
  ['10:229', '/dev/fuse'],
])

export interface GuestCharDevice extends DeviceNumbers {
  /** In the guest, whatever the host calls it. */
  readonly path: string
}

/** The device of the guest that a character device with this st_rdev means; undefined for one of a driver of the host. */
export function guestCharDevice(rdev: number): GuestCharDevice | undefined {
  const numbers = deviceNumbers(rdev)
  const path = sameEverywhere.get(`${numbers.major}:${numbers.minor}`)
  return path === undefined ? undefined : { path, ...numbers }
}

/**
 * The devices that the guest is asked for: its own ones of the same number; disks are another matter. A container that has
 * every device is given a list of all of the host's, which is dropped: it gets the guest's in their place.
 *
 * @throws KataError DEVICE_UNSUPPORTED for a device of the host that somebody asked for by name.
 */
export function guestDevices(
  devices: readonly OciDevice[],
  { every, container }: { readonly every: boolean; readonly container: string },
): OciDevice[] {
  const [foreign] = hostDevices(devices)
  if (foreign !== undefined && !every) {
    const { path, type, major, minor } = foreign
    throw new KataError('DEVICE_UNSUPPORTED', { path, container, device: `${type} ${major}:${minor}` })
  }
  return devices.filter(isGuests)
}

/** Those of them that a driver of the host has. */
export function hostDevices(devices: readonly OciDevice[]): OciDevice[] {
  return devices.filter((device) => !isGuests(device))
}

/** A FIFO of a spec is made anew in the container, by every runtime. */
function isGuests({ type, major, minor }: OciDevice): boolean {
  return type === 'p' || ((type === 'c' || type === 'u') && sameEverywhere.has(`${major}:${minor}`))
}
