import { expect, test } from 'bun:test'
import { StatsContainerResponse } from '../protocol/generated/agent.ts'
import { Metrics } from '../protocol/generated/containerd/cgroups_v2.ts'
import { toMetrics } from './stats.ts'

test('nanoseconds of the agent become microseconds of the metrics, sizes and counts stay', () => {
  const response = StatsContainerResponse.fromPartial({
    cgroupStats: {
      cpuStats: {
        cpuUsage: { totalUsage: 5_000_000n, usageInKernelmode: 2_000_000n, usageInUsermode: 3_000_000n },
      },
      memoryStats: {
        usage: { usage: 4096n, limit: 8192n, maxUsage: 5000n },
        stats: { anon: 77n, pgfault: 3n },
      },
      pidsStats: { current: 2n, limit: 10n },
    },
  })
  const metrics = Metrics.decode(toMetrics(response).value)
  expect(metrics.cpu).toMatchObject({ usageUsec: 5000n, systemUsec: 2000n, userUsec: 3000n })
  expect(metrics.memory).toMatchObject({
    usage: 4096n,
    usageLimit: 8192n,
    maxUsage: 5000n,
    anon: 77n,
    pgfault: 3n,
  })
  expect(metrics.pids).toEqual({ current: 2n, limit: 10n })
})

test('what the agent does not tell is absent', () => {
  const metrics = Metrics.decode(toMetrics(StatsContainerResponse.fromPartial({})).value)
  expect([metrics.cpu, metrics.memory, metrics.pids]).toEqual([undefined, undefined, undefined])
})
