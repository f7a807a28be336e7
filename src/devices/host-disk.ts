/**
 * A disk of the host, opened by root for a VMM that could not open it. It is checked by a descriptor and never by a path, so
 * the device that was checked is the device that is opened. The node's owner and mode do not change.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, type Stats } from 'node:fs'
import { KataError } from '../errors.ts'
import { type DeviceNumbers, deviceNumbers } from '../linux/device-numbers.ts'
import { tryLock } from '../linux/files/flock.ts'
import { O_PATH } from '../linux/files/open-at.ts'
import { openOperatorPath } from '../linux/files/operator-path.ts'
import { lastErrno, SyscallError } from '../linux/libc.ts'

export type DiskKind = 'block' | 'file'

/** Found and checked, but not yet open for reading or writing. */
export interface HostDisk extends Disposable {
  /** For people: the path on the host. */
  readonly name: string
  /** The same for every finding of one device or file. */
  readonly key: string
  readonly kind: DiskKind
  /** Its size now, bytes. */
  size(): number
  /**
   * A descriptor to read, or to read and write; the caller closes it.
   *
   * @throws KataError DEVICE_IN_USE, DEVICE_OPEN_FAILED.
   */
  open(access: DiskAccess): number
}

export interface DiskAccess {
  readonly readonly: boolean
  /** Past the page cache of the host. */
  readonly direct: boolean
}

/** What the path has to be, according to the spec or option that named it. */
export interface DiskExpectation {
  readonly kind?: DiskKind | undefined
  readonly numbers?: DeviceNumbers
}

/** Node's constants lack it. x86-64 has the generic value (asm-generic/fcntl.h). */
const O_DIRECT = 0o40000
const { O_NOFOLLOW, O_RDONLY, O_RDWR, O_EXCL } = constants

/**
 * The block device with these numbers, by the name that the kernel has for it. Errors name `container`, which the device is for.
 *
 * @throws KataError DEVICE_MISSING, DEVICE_CHANGED when something else has its name.
 */
export function findBlockDevice(numbers: DeviceNumbers, container: string): HostDisk {
  const { major, minor } = numbers
  const path = blockDevicePath(numbers)
  if (path !== undefined)
    return find(path, () => openSync(path, O_PATH | O_NOFOLLOW), { kind: 'block', numbers }, container)
  const device = `${major}:${minor}`
  throw new KataError('DEVICE_MISSING', {
    device,
    container,
    reason: 'the kernel knows none with this number',
  })
}

/** Where the host has its node: `/sys/dev/block/8:16` is a link to a directory with the kernel's name for it. */
export function blockDevicePath({ major, minor }: DeviceNumbers): string | undefined {
  try {
    const name = readlinkSync(`/sys/dev/block/${major}:${minor}`).split('/').at(-1)!
    // The kernel writes ! for a directory in a name: cciss!c0d0.
    return `/dev/${name.replaceAll('!', '/')}`
  } catch {
    return undefined
  }
}

/** The kernel counts sectors of 512 bytes, whatever the device has. */
const blockDeviceSize = ({ major, minor }: DeviceNumbers): number =>
  Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512

/**
 * The block device or disk image at a path, whose symbolic links are followed where they are the operator's.
 *
 * @throws KataError DEVICE_MISSING, DEVICE_KIND, DEVICE_CHANGED, SOURCE_LINK.
 */
export function findDiskAt(path: string, expected: DiskExpectation, container: string): HostDisk {
  if (!path.startsWith('/') || path.includes('\0'))
    throw new KataError('DEVICE_MISSING', { device: path, container, reason: 'it is no absolute path' })
  return find(path, () => openOperatorPath(path), expected, container)
}

function find(path: string, locate: () => number, expected: DiskExpectation, container: string): HostDisk {
  const location = attempt(path, container, locate)
  try {
    const stat = fstatSync(location)
    const kind = checkedKind(stat, path, expected, container)
    const { major, minor } = deviceNumbers(kind === 'block' ? stat.rdev : stat.dev)
    return {
      name: path,
      kind,
      key: `${kind} ${major}:${minor}${kind === 'block' ? '' : ` ${inodeOf(location)}`}`,
      size: () => (kind === 'block' ? blockDeviceSize({ major, minor }) : fstatSync(location).size),
      open: (access) => {
        const at = `/proc/self/fd/${location}`
        const fd = attempt(path, container, () => openSync(at, flags(kind, access)), access)
        if (kind === 'block' || access.readonly || claimed(fd)) return fd
        closeSync(fd)
        throw new KataError('DEVICE_IN_USE', {
          device: path,
          container,
          holder: 'another sandbox writes to it',
        })
      },
      [Symbol.dispose]: () => closeSync(location),
    }
  } catch (error) {
    closeSync(location)
    throw error
  }
}

/** Whole: rounded, the large numbers of some file systems are the same for many files. */
const inodeOf = (fd: number): bigint => fstatSync(fd, { bigint: true }).ino

/**
 * O_EXCL on a block device claims it: the kernel refuses when the host has it mounted, or another sandbox writes to it, and
 * refuses them while the VMM has it.
 */
function flags(kind: DiskKind, { readonly, direct }: DiskAccess): number {
  const mode = readonly ? O_RDONLY : O_RDWR | (kind === 'block' ? O_EXCL : 0)
  return mode | (direct ? O_DIRECT : 0)
}

/**
 * Claims an image for writing, as O_EXCL does a device: two kernels that write to one file system destroy it. The claim is the open
 * file's, so it goes along to the VMM, or to its loop device, and ends with the last descriptor. False when somebody else has it; a file
 * system without locks has no claims.
 */
const claimed = (fd: number): boolean => tryLock(fd) || lastErrno() !== 'EAGAIN'

function checkedKind(stat: Stats, device: string, expected: DiskExpectation, container: string): DiskKind {
  const found = describe(stat)
  const kind = stat.isBlockDevice() ? 'block' : stat.isFile() ? 'file' : undefined
  const changed = (wanted: string) => new KataError('DEVICE_CHANGED', { device, container, found, wanted })
  if (expected.numbers !== undefined && found !== describeBlock(expected.numbers))
    throw changed(describeBlock(expected.numbers))
  if (expected.kind !== undefined && kind !== expected.kind)
    throw changed(expected.kind === 'block' ? 'a block device' : 'a regular file')
  if (kind === undefined) throw new KataError('DEVICE_KIND', { device, container, kind: found })
  if (kind === 'file' && stat.size === 0)
    throw new KataError('DEVICE_KIND', { device, container, kind: 'an empty file' })
  return kind
}

const describeBlock = ({ major, minor }: DeviceNumbers) => `the block device ${major}:${minor}`

function describe(stat: Stats): string {
  if (stat.isBlockDevice()) return describeBlock(deviceNumbers(stat.rdev))
  if (stat.isFile()) return 'a regular file'
  if (stat.isDirectory()) return 'a directory'
  if (stat.isCharacterDevice()) return 'a character device'
  if (stat.isSymbolicLink()) return 'a symbolic link'
  return stat.isFIFO() ? 'a FIFO' : 'a socket'
}

/** The kernel does not say which. */
const claimedBy = 'the host has it mounted or claimed, or another sandbox writes to it'

function attempt<T>(device: string, container: string, action: () => T, access?: DiskAccess): T {
  try {
    return action()
  } catch (cause) {
    if (cause instanceof KataError && !(cause instanceof SyscallError)) throw cause
    const { code: named = String(cause) } = cause as NodeJS.ErrnoException
    const code = cause instanceof SyscallError ? cause.errno : named
    const fields = { device, container }
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new KataError('DEVICE_MISSING', { ...fields, reason: 'it does not exist' }, { cause })
    if (code === 'EBUSY') throw new KataError('DEVICE_IN_USE', { ...fields, holder: claimedBy }, { cause })
    throw new KataError('DEVICE_OPEN_FAILED', { ...fields, reason: reasonOf(code, access) }, { cause })
  }
}

function reasonOf(code: string, access?: DiskAccess): string {
  if (code === 'EINVAL' && access?.direct)
    return 'its file system knows no O_DIRECT (block_device_cache_direct)'
  if ((code === 'EROFS' || code === 'EACCES') && access?.readonly === false)
    return `it can only be read (${code})`
  return code
}
