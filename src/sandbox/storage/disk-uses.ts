/** Which parts of a container's OCI spec are disks of the host. */
import { statSync } from 'node:fs'
import { type DirectVolume, readDirectVolume } from '../../devices/direct-volume.ts'
import { blockDevicePath, type DiskKind } from '../../devices/host-disk.ts'
import { KataError } from '../../errors.ts'
import { type DeviceNumbers, deviceNumbers } from '../../linux/device-numbers.ts'
import { mountCaller } from '../../oci/caller-mount.ts'
import type { DeviceRights } from '../../oci/devices/device-rights.ts'
import { blockAccess, isNamed } from '../../oci/devices/device-rules.ts'
import { isReadOnly } from '../../oci/mounts.ts'
import type { DeviceRule } from '../../oci/resources.ts'
import type { OciDevice, OciMount, OciSpec } from '../../oci/spec.ts'
import { subPathAt } from './sub-path.ts'

/** A block device that the container gets as a device. */
export interface DeviceUse {
  readonly what: 'device'
  /** In the container. */
  readonly path: string
  readonly numbers: DeviceNumbers
  readonly readonly: boolean
  /** What the container may do with it, by the host's numbers. */
  readonly rule: DeviceRule
}

/** A mount of the container that is a disk on the host: the file system on it, or (`fsType` absent) the disk itself. */
export interface VolumeUse {
  readonly what: 'volume'
  /** Place in `spec.mounts`. */
  readonly index: number
  readonly mount: OciMount
  /** On the host. */
  readonly source: string
  readonly kind?: DiskKind
  readonly fsType?: string
  readonly options: readonly string[]
  readonly readonly: boolean
  readonly direct?: DirectVolume
}

/** Kata's mount option for a source that is a disk image. */
export const imageFileOption = 'io.katacontainers.fs-opt.block_device=file'

/** File systems that lie on a disk and nowhere else: the source of such a mount is a disk. */
export const diskFileSystems: ReadonlySet<string> = new Set([
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'f2fs',
  'erofs',
  'squashfs',
  'vfat',
])

/**
 * Block devices in `linux.devices`, with what the device rules allow: without `w` in them the disk is read-only, and one that they do not
 * allow at all is there, but denied, as with other runtimes. Where the list is that of
 * every device of the host, only one that a rule names, or that has another name, counts as asked for.
 */
export function deviceUses({ linux }: OciSpec, { listsHost, rules }: DeviceRights): DeviceUse[] {
  return (linux?.devices ?? [])
    .filter((device) => device.type === 'b' && !(listsHost && !isNamed(device, rules) && isOfHost(device)))
    .map(({ path, major = 0, minor = 0 }) => {
      const numbers = { major, minor }
      const access = blockAccess(numbers, rules)
      const rule = { allow: access !== '', type: 'b', ...numbers, access: access || 'rwm' }
      return { what: 'device', path, numbers, readonly: !access.includes('w'), rule }
    })
}

/** Whether the host has this device under this name: the kernel's, or that of a node made beside it (/dev/mapper). */
function isOfHost({ path, major = 0, minor = 0 }: OciDevice): boolean {
  const ofHost = blockDevicePath({ major, minor })
  // A number without a disk is a spare node in the list of all devices, and was not asked for.
  if (ofHost === undefined || path === ofHost) return true
  const node = statSync(path, { throwIfNoEntry: false })
  if (!node?.isBlockDevice()) return false
  const numbers = deviceNumbers(node.rdev)
  return numbers.major === major && numbers.minor === minor
}

/** `notes`: where those of direct-assigned volumes lie. @throws KataError DIRECT_VOLUME_INVALID, DIRECT_VOLUME_SUBPATH. */
export function volumeUses({ mounts = [] }: OciSpec, notes?: string): VolumeUse[] {
  return mounts.flatMap((mount, index) => {
    const use = volumeUse(mount, notes)
    return use === undefined ? [] : [{ what: 'volume', index, mount, ...use } as const]
  })
}

function volumeUse(mount: OciMount, notes?: string): Omit<VolumeUse, 'what' | 'index' | 'mount'> | undefined {
  const { type = '', source = '' } = mount
  if (!source.startsWith('/')) return undefined
  // What a user may mount is files: a path of his may lead to a device by now.
  if (mountCaller(mount) !== undefined) return undefined
  // Nothing is mounted below on a disk, and no file system knows `rro`.
  const options = (mount.options ?? []).map((word) => (word === 'rro' ? 'ro' : word))
  const readonly = isReadOnly(mount)
  const image = options.includes(imageFileOption) ? ({ kind: 'file' } as const) : {}
  if (diskFileSystems.has(type)) return { source, fsType: type, options, readonly, ...image }
  const direct = readDirectVolume(source, notes)
  if (direct !== undefined) return directUse(direct, options)
  requireWhole(source, notes)
  if (image.kind === 'file') return { source, options, readonly, ...image }
  const isDisk = statSync(source, { throwIfNoEntry: false })?.isBlockDevice() ?? false
  return isDisk ? { source, options, readonly, kind: 'block' } : undefined
}

/** Its note or its mount makes it read-only, and the other cannot lift that. */
function directUse(direct: DirectVolume, ofMount: readonly string[]) {
  const { device, fsType } = direct
  const options = [...direct.options, ...ofMount]
  const readonly = options.includes('ro')
  const inForce = readonly ? options.filter((word) => word !== 'rw') : options
  return { source: device, fsType, options: inForce, readonly, direct }
}

/** The host has nothing at the path of a direct volume: what is bound of it there would be written beside the volume. */
function requireWhole(source: string, notes?: string): void {
  const part = subPathAt(source)
  if (part === undefined) return
  const volume = `${part.podDir}/volumes/kubernetes.io~csi/${part.volumeName}/mount`
  if (readDirectVolume(volume, notes) !== undefined)
    throw new KataError('DIRECT_VOLUME_SUBPATH', { source, volume })
}
