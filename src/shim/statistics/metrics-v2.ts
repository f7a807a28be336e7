/** Container statistics as io.containerd.cgroups.v2.Metrics. */
import type {
  BlkioStats,
  CpuUsage,
  MemoryData,
  MemoryStats,
  StatsContainerResponse,
  ThrottlingData,
} from '../../protocol/generated/agent.ts'
import { type IOEntry, Metrics } from '../../protocol/generated/containerd/cgroups_v2.ts'
import type { Any } from '../../protocol/generated/google/protobuf/any.ts'
import { interfaceFigures } from './interface-figures.ts'

/** Nanoseconds per microsecond: the agent counts CPU time in ns, these metrics in µs. */
const nanosPerMicro = 1000n

/** Pure conversion; absent parts of the agent's answer are absent in the metrics. */
export function metricsV2({ cgroupStats, networkStats }: StatsContainerResponse): Any {
  const { cpuStats, memoryStats, pidsStats, blkioStats } = cgroupStats ?? {}
  const metrics = Metrics.fromPartial({
    ...(pidsStats && { pids: pidsStats }),
    ...(cpuStats?.cpuUsage && { cpu: cpu(cpuStats.cpuUsage, cpuStats.throttlingData) }),
    ...(memoryStats?.usage && {
      memory: memory(memoryStats.usage, memoryStats),
      memoryEvents: memoryEvents(memoryStats.usage, memoryStats.stats),
    }),
    ...(blkioStats && { io: { usage: ioEntries(blkioStats) } }),
    network: interfaceFigures(networkStats),
  })
  return { typeUrl: 'io.containerd.cgroups.v2.Metrics', value: Metrics.encode(metrics).finish() }
}

function cpu(usage: CpuUsage, throttling: ThrottlingData | undefined) {
  return {
    usageUsec: usage.totalUsage / nanosPerMicro,
    userUsec: usage.usageInUsermode / nanosPerMicro,
    systemUsec: usage.usageInKernelmode / nanosPerMicro,
    nrPeriods: throttling?.periods ?? 0n,
    nrThrottled: throttling?.throttledPeriods ?? 0n,
    throttledUsec: (throttling?.throttledTime ?? 0n) / nanosPerMicro,
  }
}

function memory(usage: MemoryData, { swapUsage, stats }: MemoryStats) {
  return {
    usage: usage.usage,
    usageLimit: usage.limit,
    maxUsage: usage.maxUsage,
    swapUsage: swapUsage?.usage ?? 0n,
    swapLimit: swapUsage?.limit ?? 0n,
    swapMaxUsage: swapUsage?.maxUsage ?? 0n,
    anon: stats.anon ?? 0n,
    anonThp: stats.anon_thp ?? 0n,
    file: stats.file ?? 0n,
    fileMapped: stats.file_mapped ?? 0n,
    fileDirty: stats.file_dirty ?? 0n,
    fileWriteback: stats.file_writeback ?? 0n,
    kernelStack: stats.kernel_stack ?? 0n,
    slab: stats.slab ?? 0n,
    slabReclaimable: stats.slab_reclaimable ?? 0n,
    slabUnreclaimable: stats.slab_unreclaimable ?? 0n,
    sock: stats.sock ?? 0n,
    shmem: stats.shmem ?? 0n,
    inactiveAnon: stats.inactive_anon ?? 0n,
    activeAnon: stats.active_anon ?? 0n,
    inactiveFile: stats.inactive_file ?? 0n,
    activeFile: stats.active_file ?? 0n,
    unevictable: stats.unevictable ?? 0n,
    pgfault: stats.pgfault ?? 0n,
    pgmajfault: stats.pgmajfault ?? 0n,
  }
}

/** Our agent has them beside the figures of memory.stat; Kata's tells only how often the limit was met. */
function memoryEvents({ failcnt }: MemoryData, stats: MemoryStats['stats']) {
  return {
    low: stats['events.low'] ?? 0n,
    high: stats['events.high'] ?? 0n,
    max: failcnt,
    oom: stats['events.oom'] ?? 0n,
    oomKill: stats['events.oom_kill'] ?? 0n,
  }
}

/** The agent has an entry for each device and direction; here a device has one. */
function ioEntries({ ioServiceBytesRecursive, ioServicedRecursive }: BlkioStats): IOEntry[] {
  const devices = new Map<string, IOEntry>()
  const add = (
    entries: BlkioStats['ioServicedRecursive'],
    fields: { read: keyof IOEntry; write: keyof IOEntry },
  ) => {
    for (const { major, minor, op, value } of entries) {
      const empty = { major, minor, rbytes: 0n, wbytes: 0n, rios: 0n, wios: 0n }
      const entry = devices.get(`${major}:${minor}`) ?? empty
      if (op === 'read' || op === 'write') entry[fields[op]] = value
      devices.set(`${major}:${minor}`, entry)
    }
  }
  add(ioServiceBytesRecursive, { read: 'rbytes', write: 'wbytes' })
  add(ioServicedRecursive, { read: 'rios', write: 'wios' })
  return [...devices.values()]
}
