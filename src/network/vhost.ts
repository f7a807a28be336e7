/** The kernel's own mover of packets between tap and guest (drivers/vhost/net.c), opened for the VMM. */
import { closeSync, constants, openSync } from 'node:fs'

const vhostDevice = '/dev/vhost-net'

/** A descriptor for each of `count` queues, or none when the host has no vhost-net. */
export function openVhosts(count: number): number[] {
  const fds: number[] = []
  try {
    for (let queue = 0; queue < count; queue++) fds.push(openSync(vhostDevice, constants.O_RDWR))
    return fds
  } catch (error) {
    for (const fd of fds) closeSync(fd)
    if (['ENOENT', 'ENODEV', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}
