/** What the configuration says of disks, as QEMU's block layer takes it. */
import type { HypervisorConfig } from '../../../config/config.ts'
import type { DiskAttachment } from '../../machine/disk.ts'
import { type DiskLimit, diskLimit, type LimitConfig } from '../../machine/disk-limit.ts'

export type DiskConfig = LimitConfig &
  Pick<HypervisorConfig, 'blockDeviceAio' | 'blockDeviceCacheNoflush' | 'blockDeviceCacheSet'>

/** The block node on descriptor set `set`, as blockdev-add has it. With a limit there is a filter on top, which has the name. */
export function blockNode(disk: DiskAttachment, set: number, config: DiskConfig) {
  const noFlush = config.blockDeviceCacheSet && config.blockDeviceCacheNoflush
  const common = { cache: { direct: disk.direct, 'no-flush': noFlush }, discard: 'unmap' } as const
  const name = { 'node-name': disk.id }
  const readOnly = { 'read-only': disk.readonly }
  const isLimited = diskLimit(config) !== undefined
  const file = {
    driver: disk.kind === 'block' ? 'host_device' : 'file',
    ...(isLimited ? {} : name),
    filename: `/dev/fdset/${set}`,
    ...readOnly,
    aio: asynchronous(disk, config),
    // A machine that goes on from what was saved is on the host that it was on, whose cache is right.
    'drop-cache': false,
    ...common,
  } as const
  if (!isLimited) return file
  return {
    driver: 'throttle',
    ...name,
    'throttle-group': limitId(disk.id),
    ...readOnly,
    ...common,
    file,
  } as const
}

const limitId = (diskId: string) => `limit-${diskId}`

/** The object with a disk's limit, as object-add has it. A tenth of a second's worth can be used at once. */
function limitObject(diskId: string, { bytes, operations }: DiskLimit) {
  return {
    'qom-type': 'throttle-group',
    id: limitId(diskId),
    limits: {
      ...(bytes && { 'bps-total': bytes.perSecond }),
      ...(operations && { 'iops-total': operations.perSecond }),
    },
  }
}

/** The object of a disk's limit when the configuration has one. */
export function configuredLimit(diskId: string, config: LimitConfig) {
  const limit = diskLimit(config)
  return limit && limitObject(diskId, limit)
}

/**
 * The kernel's own asynchronous I/O exists past the page cache only. The rings of io_uring are no system calls for a jailed
 * VMM: they have let too much out of too many jails.
 */
function asynchronous({ direct }: DiskAttachment, { blockDeviceAio }: DiskConfig): 'native' | 'threads' {
  return direct && blockDeviceAio !== 'threads' ? 'native' : 'threads'
}
