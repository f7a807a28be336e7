/**
 * What all containers of a pod may have together: the limits of the pod's own cgroup, in which the sandbox's is. The kubelet makes that cgroup,
 * and changes its limits before those of the containers. With resources of the pod as a whole (`spec.resources`), it gives all of them to
 * each container that has no limit of its own, so the containers' limits add up to a multiple of what they may have.
 */
import { dirname } from 'node:path'
import { type CgroupHierarchy, cgroupDirectory, hierarchyOf, readControl } from '../linux/cgroups/cgroup.ts'
import { readProc } from '../linux/processes/proc.ts'
import { ownMemoryLimit } from './memory.ts'
import { ownParents } from './paths.ts'

/** Absent: no limit. */
export interface PodLimits {
  readonly memoryBytes?: number
  /** Processors, with fractions. */
  readonly vcpus?: number
}

/** `sandbox` is the path of the sandbox's cgroup. */
export function podLimits(hierarchies: readonly CgroupHierarchy[], sandbox: string): PodLimits {
  const pod = dirname(sandbox)
  if (pod === '/' || ownParents.has(pod)) return {}
  const memory = hierarchyOf(hierarchies, 'memory')
  const memoryBytes = memory && ownMemoryLimit(memory, pod)
  const cpu = hierarchyOf(hierarchies, 'cpu')
  const vcpus = cpu && processorsOf(cpu, pod)
  return { ...(memoryBytes !== undefined && { memoryBytes }), ...(vcpus !== undefined && { vcpus }) }
}

/** No limit is the word `max` in version 2, and -1 in version 1. */
function processorsOf(hierarchy: CgroupHierarchy, path: string): number | undefined {
  const [quota, period] =
    hierarchy.version === 2
      ? (readProc(`${cgroupDirectory(hierarchy, path)}/cpu.max`)
          ?.split(' ')
          .map(Number) ?? [])
      : ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) => readControl(hierarchy, path, name))
  return quota && period ? quota / period : undefined
}
