/**
 * Devices of a spec. A device number means a device of one kernel: the host's numbers say nothing to the guest, but for
 * the few that are the same device everywhere because the kernel itself makes it out of nothing.
 */
import { KataError } from '../../errors.ts'
import type { OciDevice } from '../spec.ts'

/** Documentation/admin-guide/devices.txt: null, zero, full, random, urandom, kmsg; tty, console, ptmx; tun, tpm0, fuse. */
const sameEverywhere = new Set('1:3 1:5 1:7 1:8 1:9 1:11 5:0 5:1 5:2 10:200 10:224 10:229'.split(' '))

/** Whether a character device with this st_rdev is one that every Linux kernel has as its own. */
export function isGuestCharDevice(rdev: number): boolean {
  return sameEverywhere.has(`${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`)
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
  // A FIFO of a spec is made anew in the container, by every runtime.
  const isGuests = ({ type, major, minor }: OciDevice) =>
    type === 'p' || ((type === 'c' || type === 'u') && sameEverywhere.has(`${major}:${minor}`))
  const foreign = devices.find((device) => !isGuests(device))
  if (foreign !== undefined && !every) {
    const { path, type, major, minor } = foreign
    throw new KataError('DEVICE_UNSUPPORTED', { path, container, device: `${type} ${major}:${minor}` })
  }
  return devices.filter(isGuests)
}
