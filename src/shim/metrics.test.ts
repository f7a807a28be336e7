import { describe, expect, test } from 'bun:test'
import { StatsContainerResponse } from '../protocol/generated/agent.ts'
import { Metrics as MetricsV1 } from '../protocol/generated/containerd/cgroups_v1.ts'
import { Metrics as MetricsV2 } from '../protocol/generated/containerd/cgroups_v2.ts'
import { toMetrics } from './statistics/stats.ts'

const disk = { major: 254n, minor: 0n }
const response = StatsContainerResponse.fromPartial({
  cgroupStats: {
    cpuStats: {
      cpuUsage: { totalUsage: 5_000_000n, usageInKernelmode: 2_000_000n, usageInUsermode: 3_000_000n },
      throttlingData: { periods: 7n, throttledPeriods: 4n, throttledTime: 9000n },
    },
    memoryStats: {
      usage: { usage: 4096n, limit: 8192n, maxUsage: 5000n, failcnt: 6n },
      swapUsage: { usage: 100n, limit: 200n, maxUsage: 150n, failcnt: 3n },
      stats: {
        anon: 77n,
        file: 55n,
        pgfault: 3n,
        inactive_file: 44n,
        'events.oom': 5n,
        'events.oom_kill': 4n,
      },
    },
    pidsStats: { current: 2n, limit: 10n },
    blkioStats: {
      ioServiceBytesRecursive: [
        { ...disk, op: 'read', value: 1024n },
        { ...disk, op: 'write', value: 2048n },
      ],
      ioServicedRecursive: [{ ...disk, op: 'read', value: 2n }],
    },
  },
  networkStats: [{ name: 'eth0', rxBytes: 11n, txPackets: 12n }],
})

test.each([true, false])(
  'what a guest calls an interface is a short, plain text (version 2: %p)',
  async (unified) => {
    const networkStats = [{ name: `\u001b[2J${'x'.repeat(100)}` }]
    const { value } = await toMetrics(StatsContainerResponse.fromPartial({ networkStats }), unified)
    const { name } = (unified ? MetricsV2 : MetricsV1).decode(value).network[0]!
    expect(name).toMatch(/^[ -~…]{1,16}$/)
  },
)

describe('on a host with cgroup v2', () => {
  test('nanoseconds of the agent become microseconds, sizes and counts stay', async () => {
    const { typeUrl, value } = await toMetrics(response, true)
    expect(typeUrl).toBe('io.containerd.cgroups.v2.Metrics')
    const metrics = MetricsV2.decode(value)
    expect(metrics.cpu).toMatchObject({
      usageUsec: 5000n,
      systemUsec: 2000n,
      userUsec: 3000n,
      nrThrottled: 4n,
    })
    expect(metrics.memory).toMatchObject({
      usage: 4096n,
      usageLimit: 8192n,
      maxUsage: 5000n,
      swapMaxUsage: 150n,
      anon: 77n,
      pgfault: 3n,
    })
    expect(metrics.memoryEvents).toEqual({ low: 0n, high: 0n, max: 6n, oom: 5n, oomKill: 4n })
    expect(metrics.pids).toEqual({ current: 2n, limit: 10n })
    expect(metrics.io?.usage).toEqual([{ ...disk, rbytes: 1024n, wbytes: 2048n, rios: 2n, wios: 0n }])
    expect(metrics.network).toMatchObject([{ name: 'eth0', rxBytes: 11n, txPackets: 12n }])
  })

  test('what the agent does not tell is absent', async () => {
    const metrics = MetricsV2.decode((await toMetrics(StatsContainerResponse.fromPartial({}), true)).value)
    expect([metrics.cpu, metrics.memory, metrics.pids, metrics.io]).toEqual(Array(4).fill(undefined))
  })
})

describe('on a host with cgroup v1', () => {
  test('figures have the names of v1, those of all below included', async () => {
    const { typeUrl, value } = await toMetrics(response, false)
    expect(typeUrl).toBe('io.containerd.cgroups.v1.Metrics')
    const metrics = MetricsV1.decode(value)
    expect(metrics.cpu?.usage).toEqual({ total: 5_000_000n, kernel: 2_000_000n, user: 3_000_000n })
    expect(metrics.cpu?.throttling).toEqual({ periods: 7n, throttledPeriods: 4n, throttledTime: 9000n })
    expect(metrics.memory).toMatchObject({
      cache: 55n,
      totalCache: 55n,
      rss: 77n,
      totalRss: 77n,
      totalInactiveFile: 44n,
    })
    expect(metrics.memory?.usage).toEqual({ usage: 4096n, limit: 8192n, max: 5000n, failcnt: 6n })
    expect(metrics.memory?.swap).toEqual({ usage: 4196n, limit: 8392n, max: 5150n, failcnt: 3n })
    expect(metrics.pids).toEqual({ current: 2n, limit: 10n })
    expect(metrics.blkio?.ioServiceBytesRecursive[1]).toMatchObject({ ...disk, op: 'write', value: 2048n })
    expect(metrics.network).toMatchObject([{ name: 'eth0', rxBytes: 11n, txPackets: 12n }])
  })

  test('there is no limit of memory and swap together where one of them has none', async () => {
    const unlimited = 2n ** 64n - 1n
    const swapLimitOf = async (memory: bigint, swap: bigint) => {
      const memoryStats = { usage: { usage: 1n, limit: memory }, swapUsage: { usage: 0n, limit: swap } }
      const stats = StatsContainerResponse.fromPartial({ cgroupStats: { memoryStats } })
      return MetricsV1.decode((await toMetrics(stats, false)).value).memory?.swap?.limit
    }
    expect(await swapLimitOf(unlimited, 0n)).toBe(unlimited)
    expect(await swapLimitOf(8192n, unlimited)).toBe(unlimited)
    expect(await swapLimitOf(8192n, 0n)).toBe(8192n)
  })

  test('what the agent does not tell is absent', async () => {
    const metrics = MetricsV1.decode((await toMetrics(StatsContainerResponse.fromPartial({}), false)).value)
    expect([metrics.cpu, metrics.memory, metrics.pids]).toEqual([undefined, undefined, undefined])
  })
})
