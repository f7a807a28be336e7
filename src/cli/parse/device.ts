/** `--device SRC[:DST][:r|rw]`: a device of the host, or a disk image as a block device in the container. */
import type { Stats } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../../errors.ts'
import { type DeviceNumbers, deviceNumbers } from '../../linux/device-numbers.ts'
import { lookAtOperatorPath } from '../../linux/files/operator-path.ts'
import { SyscallError } from '../../linux/libc.ts'

export type DeviceOption =
  | ({
      readonly what: 'block' | 'char'
      readonly destination: string
      readonly readonly: boolean
    } & DeviceNumbers)
  /** A disk image. */
  | {
      readonly what: 'file'
      /** Absolute host path with symlinks resolved. */
      readonly source: string
      readonly destination: string
      readonly readonly: boolean
    }

/** Reads one device option. @throws KataError DEVICE_OPTION_INVALID, SOURCE_LINK. */
export function parseDevice(text: string): DeviceOption {
  const refuse = (reason: string): never => {
    throw new KataError('DEVICE_OPTION_INVALID', { device: text, reason })
  }
  const parts = text.split(':')
  const access = /^[rwm]{1,3}$/.test(parts.at(-1)!) && parts.length > 1 ? parts.pop()! : 'rw'
  const [source = '', target = source] = parts
  if (parts.length > 2) refuse('it needs the form SRC, SRC:DST or SRC:DST:r')
  if (!source.startsWith('/')) refuse(`the source ${source || '(empty)'} is not an absolute path`)
  if (!target.startsWith('/')) refuse(`the destination ${target || '(empty)'} is not an absolute path`)
  if (!access.includes('r')) refuse(`the access ${access} does not allow to read`)
  const destination = posix.normalize(target)
  const readonly = !access.includes('w')
  const { path, stat } = lookAt(source, refuse)
  if (stat.isBlockDevice() || stat.isCharacterDevice()) {
    // The runtime decides which of them a machine can have, because other clients ask it too.
    const what = stat.isBlockDevice() ? 'block' : 'char'
    return { what, destination, readonly, ...deviceNumbers(stat.rdev) }
  }
  if (stat.isFile()) return { what: 'file', source: path, destination, readonly }
  return refuse(`${source} is ${kindOf(stat)}, neither a device nor a disk image`)
}

function lookAt(source: string, refuse: (reason: string) => never) {
  try {
    return lookAtOperatorPath(source)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    return refuse(`${source} cannot be opened (${error.errno})`)
  }
}

function kindOf(stat: Stats): string {
  if (stat.isDirectory()) return 'a directory'
  return stat.isFIFO() ? 'a FIFO' : 'a socket'
}
