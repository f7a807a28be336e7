/** What the configuration says of disks, as QEMU's block layer takes it. */
import type { HypervisorConfig } from '../../../config/config.ts'
import type { DiskAttachment } from '../../machine/disk.ts'

export type DiskConfig = Pick<
  HypervisorConfig,
  'blockDeviceAio' | 'blockDeviceCacheNoflush' | 'blockDeviceCacheSet'
>

/** The block node on descriptor set `set`, as blockdev-add has it. */
export function blockNode(disk: DiskAttachment, set: number, config: DiskConfig) {
  const noFlush = config.blockDeviceCacheSet && config.blockDeviceCacheNoflush
  return {
    driver: disk.kind === 'block' ? 'host_device' : 'file',
    'node-name': disk.id,
    filename: `/dev/fdset/${set}`,
    'read-only': disk.readonly,
    aio: asynchronous(disk, config),
    cache: { direct: disk.direct, 'no-flush': noFlush },
    discard: 'unmap',
  } as const
}

/**
 * The kernel's own asynchronous I/O exists past the page cache only. The rings of io_uring are no system calls for a jailed
 * VMM: they have let too much out of too many jails.
 */
function asynchronous({ direct }: DiskAttachment, { blockDeviceAio }: DiskConfig): 'native' | 'threads' {
  return direct && blockDeviceAio !== 'threads' ? 'native' : 'threads'
}
