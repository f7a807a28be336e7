/**
 * Which ids an unprivileged daemon can be, and give to files: nearly every one that there is, none of which is anybody on
 * the host. A running process's map cannot grow, and the containers that come later are not known when it starts.
 *
 * The ids below 65535, those of nearly every file, are the sandbox's own block. The ones above are mapped into the upper half
 * of the host's ids, from 2^31, which https://systemd.io/UIDS-GIDS/ advises to give to nobody, and which Kubernetes and Docker
 * cannot ask for. All sandboxes have that half in common: it is who a file belongs to for a moment inside one daemon's
 * namespaces; no process of the host runs as one of those ids, and on disk there is the id that the guest gave.
 */
import type { IdExtent, IdRange } from '../linux/processes/user-namespace.ts'

/** Host ids from here on to the last are nobody's. */
export const upperHalf = 2 ** 31
/** The last id that there is: the one above it means "none" to the kernel. */
export const lastId = 2 ** 32 - 2

/** How many of the last ids have a place whoever the containers run as: NFS's old nobody is the very last. */
const topCount = 32768
/** user_namespaces(7) takes 340 lines, and less than a page of text: a line of one id has up to 25 bytes. */
const maxExtents = 160

/**
 * The map of a daemon, users and groups alike.
 *
 * @param block the sandbox's own ids.
 * @param known ids that are known to be needed. Those that have no place yet get one, as long as there are lines for it.
 */
export function shareIdMap({ first, count }: IdRange, known: readonly number[] = []): IdExtent[] {
  const fixed: IdExtent[] = [
    { inside: 0, outside: first, count },
    // Shifted by half the ids, which leaves the first `count` places of the upper half for what follows.
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
