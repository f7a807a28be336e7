/** Container statistics as io.containerd.cgroups.v1.Metrics, in the words of cgroup v1. */
import { plainText } from '../../plain-text.ts'
import type { BlkioStats, MemoryStats, StatsContainerResponse } from '../../protocol/generated/agent.ts'
import { type MemoryStat, Metrics } from '../../protocol/generated/containerd/cgroups_v1.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'
import { interfaceFigures } from './interface-figures.ts'

/** The longest name of an operation, characters. The guest chooses it, and it becomes a label. */
const longestOperation = 16
const mostUint64 = (1n << 64n) - 1n

/** Pure conversion; absent parts of the agent's answer are absent in the metrics. */
export function metricsV1({ cgroupStats, networkStats }: StatsContainerResponse): Any {
  const { cpuStats, memoryStats, pidsStats, blkioStats } = cgroupStats ?? {}
  const { cpuUsage, throttlingData } = cpuStats ?? {}
  const metrics = Metrics.fromPartial({
    ...(pidsStats === undefined ? {} : { pids: pidsStats }),
    ...(cpuUsage === undefined
      ? {}
      : {
          cpu: {
            usage: {
              total: cpuUsage.totalUsage,
              kernel: cpuUsage.usageInKernelmode,
              user: cpuUsage.usageInUsermode,
            },
            throttling: throttlingData ?? {},
          },
        }),
    ...(memoryStats?.usage === undefined ? {} : { memory: memory(memoryStats) }),
    ...(blkioStats === undefined ? {} : { blkio: withPlainWords(blkioStats) }),
    network: interfaceFigures(networkStats),
  })
  return { typeUrl: 'io.containerd.cgroups.v1.Metrics', value: Metrics.encode(metrics).finish() }
}

function withPlainWords(stats: BlkioStats): BlkioStats {
  const lists = Object.entries(stats).map(([name, entries]: [string, BlkioStats[keyof BlkioStats]]) => [
    name,
    entries.map((entry) => ({ ...entry, op: plainText(entry.op, longestOperation) })),
  ])
  return Object.fromEntries(lists)
}

function memory({ usage, swapUsage, kernelUsage, stats }: MemoryStats): Partial<MemoryStat> {
  const own = {
    cache: stats.file ?? 0n,
    rss: stats.anon ?? 0n,
    rssHuge: stats.anon_thp ?? 0n,
    mappedFile: stats.file_mapped ?? 0n,
    dirty: stats.file_dirty ?? 0n,
    writeback: stats.file_writeback ?? 0n,
    pgFault: stats.pgfault ?? 0n,
    pgMajFault: stats.pgmajfault ?? 0n,
    inactiveAnon: stats.inactive_anon ?? 0n,
    activeAnon: stats.active_anon ?? 0n,
    inactiveFile: stats.inactive_file ?? 0n,
    activeFile: stats.active_file ?? 0n,
    unevictable: stats.unevictable ?? 0n,
  }
  // v2 counts what is below as well, which in v1 are figures of their own.
  const total = Object.fromEntries(
    Object.entries(own).map(([name, value]) => [`total${name[0]!.toUpperCase()}${name.slice(1)}`, value]),
  )
  const entry = (data: MemoryStats['usage'], more?: MemoryStats['usage']) => ({
    limit: sum(data?.limit ?? 0n, more?.limit ?? 0n),
    usage: sum(data?.usage ?? 0n, more?.usage ?? 0n),
    max: sum(data?.maxUsage ?? 0n, more?.maxUsage ?? 0n),
    failcnt: data?.failcnt ?? 0n,
  })
  return {
    ...own,
    ...total,
    hierarchicalMemoryLimit: usage?.limit ?? 0n,
    usage: entry(usage),
    // v1 counts memory and swap together. Clients take the usage from the limit for what is left, and the peak is of two times.
    swap: entry(swapUsage, usage),
    kernel: entry(kernelUsage),
  }
}

/** A guest's figures are any of 64 bits, and so is their sum to be. */
const sum = (one: bigint, other: bigint): bigint => (one + other > mostUint64 ? mostUint64 : one + other)
