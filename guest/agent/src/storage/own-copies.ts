/** Files that the host has copied into the guest for one container alone. Pure: tested on the host. */
import { containersDirectory, isWithin, sharedDirectory } from '../system/paths.ts'

/** The end of a copy's name, which hosts form as `ID-16 HEX-NAME`. */
const random = /^-[0-9a-f]{16}-[^/]+$/

/**
 * The sources of the container's mounts that are such copies. They take up the guest's memory. Files on a mounted share are the host's, and are
 * left out.
 *
 * @param mounts lines of /proc/self/mounts.
 */
export function ownCopies(containerId: string, sources: readonly string[], mounts: string): string[] {
  const points = mounts
    .split('\n')
    .map((line) => line.split(' '))
    // A tmpfs there is the guest's own, for copies, so it is no share.
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
