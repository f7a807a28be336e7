/** Container statistics in the type that containerd and its clients expect on this host. */
import { cgroupHierarchies, isUnified } from '../../linux/cgroups/cgroup.ts'
import type { StatsContainerResponse } from '../../protocol/generated/agent.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'
import { metricsV1 } from './metrics-v1.ts'
import { metricsV2 } from './metrics-v2.ts'

/**
 * The guest runs cgroup v2 whatever the host does; containerd's clients look at the figures of their own host's version,
 * and so did Kata's decide. `unified`: whether that is v2 alone.
 */
export function toMetrics(
  stats: StatsContainerResponse,
  unified: boolean = isUnified(cgroupHierarchies()),
): Any {
  return unified ? metricsV2(stats) : metricsV1(stats)
}
