/** Container statistics as containerd expects them: io.containerd.cgroups.v2.Metrics, because the guest runs cgroup v2. */
import type { StatsContainerResponse } from '../protocol/generated/agent.ts'
import { Metrics } from '../protocol/generated/containerd/cgroups_v2.ts'
import type { Any } from '../protocol/generated/google/protobuf/any.ts'

export const metricsTypeUrl = 'io.containerd.cgroups.v2.Metrics'

/** Nanoseconds per microsecond: the agent counts CPU time in ns, cgroup v2 metrics in µs. */
const nanosPerMicro = 1000n

/** Pure conversion; absent parts of the agent's answer are absent in the metrics. */
export function toMetrics({ cgroupStats }: StatsContainerResponse): Any {
  const { cpuStats, memoryStats, pidsStats } = cgroupStats ?? {}
  const { cpuUsage, throttlingData } = cpuStats ?? {}
  const { usage, swapUsage, stats = {} } = memoryStats ?? {}
  const metrics = Metrics.fromPartial({
    ...(pidsStats === undefined ? {} : { pids: pidsStats }),
    ...(cpuUsage === undefined
      ? {}
      : {
          cpu: {
            usageUsec: cpuUsage.totalUsage / nanosPerMicro,
            userUsec: cpuUsage.usageInUsermode / nanosPerMicro,
            systemUsec: cpuUsage.usageInKernelmode / nanosPerMicro,
            nrPeriods: throttlingData?.periods ?? 0n,
            nrThrottled: throttlingData?.throttledPeriods ?? 0n,
            throttledUsec: (throttlingData?.throttledTime ?? 0n) / nanosPerMicro,
          },
        }),
    ...(usage === undefined
      ? {}
      : {
          memory: {
            usage: usage.usage,
            usageLimit: usage.limit,
            maxUsage: usage.maxUsage,
            swapUsage: swapUsage?.usage ?? 0n,
            swapLimit: swapUsage?.limit ?? 0n,
            anon: stats.anon ?? 0n,
            file: stats.file ?? 0n,
            kernelStack: stats.kernel_stack ?? 0n,
            slab: stats.slab ?? 0n,
            shmem: stats.shmem ?? 0n,
            inactiveFile: stats.inactive_file ?? 0n,
            activeFile: stats.active_file ?? 0n,
            pgfault: stats.pgfault ?? 0n,
            pgmajfault: stats.pgmajfault ?? 0n,
          },
        }),
  })
  return { typeUrl: metricsTypeUrl, value: Metrics.encode(metrics).finish() }
}
