/**
 * What a sandbox costs its host, as the kernel counts it: VMM, virtiofsd, shim and all that these start are in the sandbox's cgroups.
 * Sums over /proc would count the guest's memory twice, because virtiofsd maps it as well, and leave out what the kernel holds for them.
 */
import { type CgroupHierarchy, cgroupDirectory, hierarchyOf } from '../linux/cgroups/cgroup.ts'
import { readProc } from '../linux/processes/proc.ts'
import { CgroupStats, type MemoryData } from '../protocol/generated/agent.ts'

/** Figures of version 1 under their names in version 2, those of cgroups below included, as version 2 counts. */
const namesInV2: Readonly<Record<string, string>> = {
  total_cache: 'file',
  total_rss: 'anon',
  total_rss_huge: 'anon_thp',
  total_shmem: 'shmem',
  total_mapped_file: 'file_mapped',
  total_dirty: 'file_dirty',
  total_writeback: 'file_writeback',
  total_pgfault: 'pgfault',
  total_pgmajfault: 'pgmajfault',
  total_inactive_anon: 'inactive_anon',
  total_active_anon: 'active_anon',
  total_inactive_file: 'inactive_file',
  total_active_file: 'active_file',
  total_unevictable: 'unevictable',
}
/** No limit, in statistics. */
const mostUint64 = (1n << 64n) - 1n
const nanosPerMicro = 1000n

/** One control file of all cgroups of a sandbox. */
type Reader = (name: string) => readonly string[]

/**
 * The figures of these cgroups together, in the agent's words: times in nanoseconds, sizes in bytes. What a host does not count is absent.
 * The peak adds up the peaks of the cgroups, each at its own time.
 */
export function cgroupUsage(hierarchies: readonly CgroupHierarchy[], paths: readonly string[]): CgroupStats {
  const readerOf = (controller: string): { read: Reader; version: 1 | 2 } | undefined => {
    const hierarchy = hierarchyOf(hierarchies, controller)
    if (hierarchy === undefined) return undefined
    const directories = paths.map((path) => cgroupDirectory(hierarchy, path))
    const read: Reader = (name) => directories.flatMap((directory) => readProc(`${directory}/${name}`) ?? [])
    return { read, version: hierarchy.version }
  }
  const [cpu, memory, pids] = [readerOf('cpuacct'), readerOf('memory'), readerOf('pids')]
  const processes = pids && sum(pids.read('pids.current'))
  return CgroupStats.fromPartial({
    ...(cpu && { cpuStats: { cpuUsage: cpu.version === 1 ? cpuV1(cpu.read) : cpuV2(cpu.read) } }),
    ...(memory && { memoryStats: memory.version === 1 ? memoryV1(memory.read) : memoryV2(memory.read) }),
    ...(processes !== undefined && {
      pidsStats: { current: processes, limit: sum(pids!.read('pids.max')) ?? 0n },
    }),
  })
}

function cpuV1(read: Reader) {
  const totalUsage = sum(read('cpuacct.usage'))
  if (totalUsage === undefined) return undefined
  return {
    totalUsage,
    usageInUsermode: sum(read('cpuacct.usage_user')) ?? 0n,
    usageInKernelmode: sum(read('cpuacct.usage_sys')) ?? 0n,
  }
}

function cpuV2(read: Reader) {
  const { usage_usec, user_usec = 0n, system_usec = 0n } = table(read('cpu.stat'))
  if (usage_usec === undefined) return undefined
  return {
    totalUsage: usage_usec * nanosPerMicro,
    usageInUsermode: user_usec * nanosPerMicro,
    usageInKernelmode: system_usec * nanosPerMicro,
  }
}

function memoryV1(read: Reader) {
  const usage = sum(read('memory.usage_in_bytes'))
  if (usage === undefined) return undefined
  const limits = read('memory.limit_in_bytes')
  const both = sum(read('memory.memsw.usage_in_bytes'))
  const bothLimit = sum(read('memory.memsw.limit_in_bytes')) ?? mostUint64
  const found = Object.entries(table(read('memory.stat')))
  const named = found.flatMap(([name, value]) => {
    const inV2 = namesInV2[name]
    return inV2 === undefined ? [] : [[inV2, value] as const]
  })
  return {
    usage: data(usage, read('memory.max_usage_in_bytes'), limits, sum(read('memory.failcnt'))),
    // Version 1 counts memory and swap together.
    ...(both !== undefined && {
      swapUsage: { usage: less(both, usage), limit: less(bothLimit, sum(limits) ?? 0n) },
    }),
    stats: Object.fromEntries(named),
  }
}

function memoryV2(read: Reader) {
  const usage = sum(read('memory.current'))
  if (usage === undefined) return undefined
  const swap = sum(read('memory.swap.current'))
  const events = table(read('memory.events'))
  return {
    usage: data(usage, read('memory.peak'), read('memory.max'), events.max),
    ...(swap !== undefined && {
      swapUsage: data(swap, read('memory.swap.peak'), read('memory.swap.max')),
    }),
    // Beside memory.stat, as our agent has them: the message has no other place.
    stats: { ...table(read('memory.stat')), ...underName('events', events) },
  }
}

function data(usage: bigint, peaks: readonly string[], limits: readonly string[], failcnt = 0n): MemoryData {
  return { usage, maxUsage: sum(peaks) ?? 0n, limit: sum(limits) ?? mostUint64, failcnt }
}

/** Undefined where there is no such file; `max` means no limit, and so does any sum with it. */
function sum(texts: readonly string[]): bigint | undefined {
  const values = texts
    .map((text) => text.trim())
    .flatMap((text) => (text === 'max' ? mostUint64 : number(text)))
  if (values.length === 0) return undefined
  const total = values.reduce((one, other) => one + other, 0n)
  return total > mostUint64 ? mostUint64 : total
}

const less = (whole: bigint, part: bigint): bigint => (whole > part ? whole - part : 0n)

const number = (text: string): bigint[] => (/^\d+$/.test(text) ? [BigInt(text)] : [])

const underName = (name: string, rows: Readonly<Record<string, bigint>>): Record<string, bigint> =>
  Object.fromEntries(Object.entries(rows).map(([key, value]) => [`${name}.${key}`, value]))

/** Lines of a name and a number, added up. */
function table(texts: readonly string[]): Record<string, bigint> {
  const rows: Record<string, bigint> = {}
  for (const [, name, value] of texts.flatMap((text) => [...text.matchAll(/^(\w+) (\d+)$/gm)]))
    rows[name!] = (rows[name!] ?? 0n) + BigInt(value!)
  return rows
}
