/** /dev/kvm as a descriptor, for a VMM that then needs no group and sees no node. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { deviceNumbers } from '../../linux/device-numbers.ts'

/** Documentation/admin-guide/devices.txt. */
const kvmNumbers = { major: 10, minor: 232 }

/** The caller closes it. @throws KataError KVM_MISSING when it cannot be opened or is something else. */
export function openKvmNode(path: string): number {
  const fd = open(path)
  const stat = fstatSync(fd)
  const { major, minor } = deviceNumbers(stat.rdev)
  if (stat.isCharacterDevice() && major === kvmNumbers.major && minor === kvmNumbers.minor) return fd
  closeSync(fd)
  throw new KataError('KVM_MISSING', { path, reason: 'it is not the device 10:232' })
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDWR)
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException
    throw new KataError('KVM_MISSING', { path, reason: `it cannot be opened (${code})` }, { cause })
  }
}
