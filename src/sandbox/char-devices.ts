/**
 * Devices of a spec. A device number means a device of one kernel: the host's numbers say nothing to the guest, but for
 * the few that are the same device everywhere because the kernel itself makes it out of nothing.
 */
import { KataError } from '../errors.ts'
import type { OciDevice } from './oci.ts'

/** Documentation/admin-guide/devices.txt: null, zero, full, random, urandom, kmsg; tty, console, ptmx; tun, tpm0, fuse. */
const sameEverywhere = new Set('1:3 1:5 1:7 1:8 1:9 1:11 5:0 5:1 5:2 10:200 10:224 10:229'.split(' '))

/** Whether a character device with this st_rdev is one that every Linux kernel has as its own. */
export function isGuestCharDevice(rdev: number): boolean {
  return sameEverywhere.has(`${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`)
}

/** Whether the spec lets the container use every device, which is what `privileged` means for devices. */
export function allowsEveryDevice(rules: unknown): boolean {
  const list = Array.isArray(rules) ? (rules as Record<string, unknown>[]) : []
  return list.some(
    ({ allow, type, major, access }) =>
      allow === true &&
      (type === undefined || type === '' || type === 'a') &&
      (major === undefined || major === null || (major as number) < 0) &&
      access === 'rwm',
  )
}

/**
 * The devices that the guest is asked for: its own ones of the same number; disks are another matter (disk-uses.ts). A privileged container is given a list of all
 * the host's devices, which is dropped: it gets the guest's in their place.
 *
 * @throws KataError DEVICE_UNSUPPORTED for a device of the host that somebody asked for by name.
 */
export function guestDevices(
  devices: readonly OciDevice[],
  { privileged, container }: { privileged: boolean; container: string },
): OciDevice[] {
  // A FIFO of a spec is made anew in the container, by every runtime.
  const isGuests = ({ type, major, minor }: OciDevice) =>
    type === 'p' || ((type === 'c' || type === 'u') && sameEverywhere.has(`${major}:${minor}`))
  const foreign = devices.find((device) => !isGuests(device))
  if (foreign !== undefined && !privileged) {
    const { path, type, major, minor } = foreign
    throw new KataError('DEVICE_UNSUPPORTED', { path, container, device: `${type} ${major}:${minor}` })
  }
  return devices.filter(isGuests)
}
