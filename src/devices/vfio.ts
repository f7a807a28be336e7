/**
 * A device of the host for the guest to drive, opened by root for a VMM that could not open it. With iommufd the VMM gets two
 * descriptors, of the device and of /dev/iommu, and needs no node, no group and no capability. The older interface, a
 * container of whole groups at /dev/vfio/vfio, would need access to the group's node, and is not used.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { type DeviceNumbers, deviceNumbers } from '../linux/device-numbers.ts'
import type { VfioFunction } from './vfio-tree.ts'

/** Where the nodes are. */
export interface VfioNodes {
  /** Usually `/dev`. */
  readonly dev: string
}

const { O_NOFOLLOW, O_RDWR } = constants

/**
 * The character device of one function; the caller closes it. Another process may have it open: who may
 * drive the function is decided when the VMM binds it to its address space (vfio-holder.ts).
 *
 * @throws KataError DEVICE_MISSING, DEVICE_CHANGED, DEVICE_IN_USE, DEVICE_OPEN_FAILED.
 */
export function openVfioDevice(
  { cdev, numbers }: VfioFunction,
  container: string,
  { dev }: VfioNodes = { dev: '/dev' },
): number {
  if (!/^vfio\d{1,9}$/.test(cdev)) throw new KataError('VFIO_NO_CDEV', { device: cdev, container })
  return openNode(`${dev}/vfio/devices/${cdev}`, container, numbers)
}

/**
 * An address space of its own in the IOMMU, for all devices of one machine; the caller closes it.
 *
 * @throws KataError VFIO_NO_IOMMUFD, DEVICE_CHANGED, DEVICE_OPEN_FAILED.
 */
export function openIommu(container: string, { dev }: VfioNodes = { dev: '/dev' }): number {
  try {
    return openNode(`${dev}/iommu`, container)
  } catch (cause) {
    if (!(cause instanceof KataError) || cause.code !== 'DEVICE_MISSING') throw cause
    throw new KataError('VFIO_NO_IOMMUFD', { container }, { cause })
  }
}

/** `numbers`: what it was announced to be, where that is known. */
function openNode(path: string, container: string, numbers?: DeviceNumbers): number {
  const fd = open(path, container)
  const stat = fstatSync(fd)
  const found = deviceNumbers(stat.rdev)
  const isIt =
    stat.isCharacterDevice() &&
    (numbers === undefined || (found.major === numbers.major && found.minor === numbers.minor))
  if (isIt) return fd
  closeSync(fd)
  const wanted =
    numbers === undefined ? 'a character device' : `the character device ${numbers.major}:${numbers.minor}`
  throw new KataError('DEVICE_CHANGED', {
    device: path,
    container,
    wanted,
    found: stat.isCharacterDevice()
      ? `the character device ${found.major}:${found.minor}`
      : 'no character device',
  })
}

function open(path: string, container: string): number {
  try {
    return openSync(path, O_RDWR | O_NOFOLLOW)
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException
    const fields = { device: path, container }
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO')
      throw new KataError(
        'DEVICE_MISSING',
        { ...fields, reason: `there is no such device (${code})` },
        { cause },
      )
    if (code === 'EBUSY')
      throw new KataError(
        'DEVICE_IN_USE',
        { ...fields, holder: 'its whole group is, by the legacy container' },
        { cause },
      )
    throw new KataError('DEVICE_OPEN_FAILED', { ...fields, reason: code }, { cause })
  }
}
