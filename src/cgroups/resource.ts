/** The cgroups of a sandbox in every hierarchy: written down before they are made, removed from disk alone. */
import { KataError } from '../errors.ts'
import type { ResourceKind } from '../ledger/ledger.ts'
import { enterCgroup, killCgroup, processesIn, removeCgroup } from '../linux/cgroups/cgroup.ts'
import type { Logger } from '../log.ts'
import { realClock, sleep } from '../time.ts'

/** One cgroup in one hierarchy. */
export interface CgroupPlace {
  /** Where the hierarchy is mounted. */
  readonly point: string
  readonly path: string
  /** The shim's earlier cgroup, to which it returns. */
  readonly origin: string
  /** Ancestors to remove as well when they are empty, the outermost first. */
  readonly ancestors: readonly string[]
}

interface CgroupsData {
  readonly places: readonly CgroupPlace[]
  /** False before they are known to be this sandbox's; absent: they are. */
  readonly areOurs?: false
}

/** How long the last process may take to be gone: the kernel frees the memory of a killed VMM first. Milliseconds. */
const emptyMs = 10_000

/** @throws KataError CGROUP_STAYS. */
export const cgroupsResource: ResourceKind<CgroupsData> = {
  kind: 'cgroups',
  async release({ places, areOurs = true }, log) {
    for (const place of places) {
      if (areOurs) await removeEmptied(place, log)
      // What is in one is another sandbox's.
      else removeCgroup(place, place.path)
      for (const ancestor of place.ancestors.toReversed()) if (!removeCgroup(place, ancestor)) break
    }
  },
}

/** The shim itself is in the cgroup until now, and ends only after its sandbox. */
async function removeEmptied(place: CgroupPlace, log: Logger): Promise<void> {
  const { point, path } = place
  const deadline = realClock.now() + emptyMs
  let refuges: readonly string[] | undefined
  for (let pause = 1; !removeCgroup(place, path); pause = Math.min(pause * 2, 50)) {
    const pids = processesIn(place, path)
    if (realClock.now() > deadline)
      throw new KataError('CGROUP_STAYS', { path: `${point}${path}`, pids: pids.join(', ') || 'none' })
    // Only this process ever leaves the cgroup. What is left of the sandbox ends in here, under its limits.
    if (pids.includes(process.pid)) {
      refuges ??= refugesOf(place, log)
      if (await leave(place, refuges, process.pid)) continue
    } else killCgroup(place, path)
    await sleep(pause)
  }
}

/** Where the shim may go. The root of version 2 takes a process always, another cgroup only while its children have no controllers. */
function refugesOf({ point, origin }: CgroupPlace, log: Logger): readonly string[] {
  // cgroup_namespaces(7): a cgroup outside of the namespace's root is shown by a path that leads up. It is not below the mount point.
  if (!origin.split('/').includes('..')) return [origin, '/']
  log.warn(
    'the shim does not return to its cgroup, which lies outside of its cgroup namespace, but to the root',
    {
      hierarchy: point,
      origin,
    },
  )
  return ['/']
}

/** Whether it has left. */
async function leave(place: CgroupPlace, refuges: readonly string[], pid: number): Promise<boolean> {
  for (const refuge of refuges) {
    try {
      await enterCgroup(place, refuge, pid)
      return true
    } catch {
      // The process has ended meanwhile, or the next cgroup takes it.
    }
  }
  return false
}
