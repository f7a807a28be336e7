/** Container statistics in the type that containerd and its clients expect on this host. */
import { cgroupHierarchies, isUnified } from '../../linux/cgroups/cgroup.ts'
import type { StatsContainerResponse } from '../../protocol/generated/agent.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'

/**
 * The guest runs cgroup v2 whatever the host does; containerd's clients look at the figures of their own host's version,
 * and so did Kata's decide. `unified`: whether that is v2 alone. A host has one version, and a shim that nobody asks needs neither.
 */
export async function toMetrics(
  stats: StatsContainerResponse,
  unified: boolean = isUnified(cgroupHierarchies()),
): Promise<Any> {
  if (unified) return (await import('./metrics-v2.ts')).metricsV2(stats)
  return (await import('./metrics-v1.ts')).metricsV1(stats)
}
