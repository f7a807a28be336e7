/**
 * Where a container may mount. What it sees at /proc is what a runtime, and programs after it, read and write for its confinement, so a mount
 * there could fake it. The rule is runc's (libcontainer/rootfs_linux.go, checkProcMount), but by the path: runc follows
 * links in the image first.
 */
import { KataError } from '../errors.ts'
import { mountCaller } from './caller-mount.ts'
import { isBind } from './mounts.ts'
import { normalPath } from './normal-path.ts'
import type { OciMount } from './spec.ts'

/** What LXCFS puts its own files over, and two files that runc takes beside them. */
const replaceable: ReadonlySet<string> = new Set(
  [
    ...['cpuinfo', 'diskstats', 'loadavg', 'meminfo', 'slabinfo', 'stat', 'swaps', 'uptime'],
    ...['sys/kernel/ns_last_pid', 'sys/crypto/fips_enabled'],
  ].map((name) => `/proc/${name}`),
)

/** @throws KataError MOUNT_ON_PROC. */
export function checkMountPlaces(mounts: readonly OciMount[], container: string): void {
  for (const mount of mounts) {
    const place = normalPath(mount.destination)
    const isFine = place === '/proc' ? isProc(mount) : !place.startsWith('/proc/') || replaceable.has(place)
    if (!isFine) throw new KataError('MOUNT_ON_PROC', { container, destination: mount.destination })
  }
}

/** The host's /proc as a source means the guest's, unless it is shown with the rights of a user only. */
function isProc(mount: OciMount): boolean {
  if (!isBind(mount)) return mount.type === 'proc'
  return normalPath(mount.source ?? '') === '/proc' && mountCaller(mount) === undefined
}
