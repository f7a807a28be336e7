/**
 * The ids that an unprivileged daemon can have, and give to files: nearly all ids, and none belongs to an account of the host. The map of
 * a running process cannot grow, and later containers are not known when it starts.
 *
 * Ids below 65535, which own nearly all files, map to the sandbox's own block. Ids above map into the upper half of the host's ids, from
 * 2^31. https://systemd.io/UIDS-GIDS/ advises against assigning these, and Kubernetes and Docker cannot ask for them. All sandboxes
 * share that half. Such an id owns a file only for a moment, inside one daemon's namespaces. No process of the host runs as one, and
 * the file on disk has the id that the guest gave.
 */
import type { IdExtent, IdRange } from '../linux/processes/user-namespace.ts'

/** No account of the host has an id from here on. */
export const upperHalf = 2 ** 31
/** The last id: the number above it means "none" to the kernel. */
export const lastId = 2 ** 32 - 2

/** Number of last ids that always have a place. NFS's old nobody is the very last. */
const topCount = 32768
/** Most lines of a map here. user_namespaces(7) accepts 340 lines and less than a page of text; a line for one id has up to 25 bytes. */
const maxExtents = 160

/**
 * The map of a daemon, users and groups alike.
 *
 * @param block the sandbox's own ids.
 * @param known ids that containers are known to need. Each id without a place gets one, while lines are left.
 */
export function shareIdMap({ first, count }: IdRange, known: readonly number[] = []): IdExtent[] {
  const fixed: IdExtent[] = [
    { inside: 0, outside: first, count },
    // These ids are shifted by half of all ids. That leaves the first `count` places of the upper half for the extents below.
    { inside: count, outside: upperHalf + count, count: upperHalf - 1 - count },
    { inside: upperHalf - 1, outside: upperHalf, count: 1 },
    { inside: lastId + 1 - topCount, outside: upperHalf + 1, count: topCount },
  ]
  const single = [...new Set(known)].filter((id) => !hasPlace(fixed, id)).slice(0, maxExtents - fixed.length)
  const free = upperHalf + 1 + topCount
  return [...fixed, ...single.map((inside, index) => ({ inside, outside: free + index, count: 1 }))]
}

/** Whether a map has an id of the host for `id`. */
export function hasPlace(map: readonly IdExtent[], id: number): boolean {
  return map.some(({ inside, count }) => id >= inside && id < inside + count)
}
