/** What the host has copied into the guest for one container alone. Pure: tested on the host. */
import { containersDirectory, isWithin, sharedDirectory } from '../system/paths.ts'

/** `ID-16 HEX-NAME`, as hosts call them. */
const random = /^-[0-9a-f]{16}-[^/]+$/

/**
 * The sources of the container's mounts that are such copies, which lie in the guest's memory. Nothing of a share: a file there is the
 * host's.
 *
 * @param mounts lines of /proc/self/mounts.
 */
export function ownCopies(containerId: string, sources: readonly string[], mounts: string): string[] {
  const points = mounts
    .split('\n')
    .map((line) => line.split(' '))
    // The guest's own, for copies.
    .filter(([, point, type]) => !(point === sharedDirectory && type === 'tmpfs'))
    .map(([, point = '']) => point)
  const prefix = `${containersDirectory}/${containerId}`
  return sources.filter(
    (source) =>
      source.startsWith(prefix) &&
      random.test(source.slice(prefix.length)) &&
      !points.some((point) => point.startsWith('/run/') && isWithin(source, point)),
  )
}
