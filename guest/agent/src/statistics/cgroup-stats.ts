/**
 * Texts of cgroup v2 control files (Documentation/admin-guide/cgroup-v2.rst) to Kata's CgroupStats, whose shape is
 * that of cgroup v1. Pure: tested on the host.
 */
import type { BlkioStatsEntry, CgroupStats } from '../../../../src/protocol/generated/agent.ts'

const unlimited = 0xffff_ffff_ffff_ffffn

/** `name value` lines (cpu.stat, memory.stat, memory.events, cgroup.events). */
export function parseFlatKeyed(text: string): Record<string, bigint> {
  const lines = text.split('\n').filter((line) => line !== '')
  return Object.fromEntries(
    lines.map((line): [string, bigint] => {
      const [name = '', value = '0'] = line.split(' ')
      return [name, BigInt(value)]
    }),
  )
}

/** A single number; `max` and an absent file become `fallback`. */
export function parseSingle(text: string | undefined, fallback: bigint): bigint {
  const value = text?.trim() ?? ''
  return /^\d+$/.test(value) ? BigInt(value) : fallback
}

/** `MAJOR:MINOR rbytes=.. wbytes=.. rios=.. wios=..` lines of io.stat, for one pair of counters. */
export function parseIoStat(text: string, counters: { read: string; write: string }): BlkioStatsEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const [device = '', ...pairs] = line.split(' ')
      const [major = '0', minor = '0'] = device.split(':')
      const values = new Map(pairs.map((pair) => pair.split('=') as [string, string]))
      return (['read', 'write'] as const).map((op) => ({
        major: BigInt(major),
        minor: BigInt(minor),
        op,
        value: BigInt(values.get(counters[op]) ?? '0'),
      }))
    })
}

/** `events.oom_kill` and so on: beside memory.stat, whose names have no dot, because Kata's message has no other place. */
function events(counters: Record<string, bigint>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [`events.${name}`, value]))
}

/**
 * All statistics of one cgroup. `read` gives the text of a control file by its name, or undefined when the cgroup
 * has no such file. Times are nanoseconds and sizes bytes; no limit is 2^64 - 1 for memory and 0 for pids (Kata's).
 */
export function cgroupStats(read: (name: string) => string | undefined): CgroupStats {
  const flat = (name: string) => parseFlatKeyed(read(name) ?? '')
  const cpu = flat('cpu.stat')
  const memory = flat('memory.stat')
  const io = read('io.stat') ?? ''
  const nanoseconds = (name: string) => (cpu[name] ?? 0n) * 1000n
  return {
    cpuStats: {
      cpuUsage: {
        totalUsage: nanoseconds('usage_usec'),
        percpuUsage: [],
        usageInKernelmode: nanoseconds('system_usec'),
        usageInUsermode: nanoseconds('user_usec'),
      },
      throttlingData: {
        periods: cpu.nr_periods ?? 0n,
        throttledPeriods: cpu.nr_throttled ?? 0n,
        throttledTime: nanoseconds('throttled_usec'),
      },
    },
    memoryStats: {
      cache: memory.file ?? 0n,
      usage: {
        usage: parseSingle(read('memory.current'), 0n),
        maxUsage: parseSingle(read('memory.peak'), 0n),
        failcnt: flat('memory.events').max ?? 0n,
        limit: parseSingle(read('memory.max'), unlimited),
      },
      swapUsage: {
        usage: parseSingle(read('memory.swap.current'), 0n),
        maxUsage: parseSingle(read('memory.swap.peak'), 0n),
        failcnt: flat('memory.swap.events').max ?? 0n,
        limit: parseSingle(read('memory.swap.max'), unlimited),
      },
      kernelUsage: { usage: memory.kernel ?? 0n, maxUsage: 0n, failcnt: 0n, limit: unlimited },
      useHierarchy: true,
      stats: { ...memory, ...events(flat('memory.events')) },
    },
    pidsStats: {
      current: parseSingle(read('pids.current'), 0n),
      limit: parseSingle(read('pids.max'), 0n),
    },
    blkioStats: {
      ioServiceBytesRecursive: parseIoStat(io, { read: 'rbytes', write: 'wbytes' }),
      ioServicedRecursive: parseIoStat(io, { read: 'rios', write: 'wios' }),
      ioQueuedRecursive: [],
      ioServiceTimeRecursive: [],
      ioWaitTimeRecursive: [],
      ioMergedRecursive: [],
      ioTimeRecursive: [],
      sectorsRecursive: [],
    },
    hugetlbStats: {},
  }
}
