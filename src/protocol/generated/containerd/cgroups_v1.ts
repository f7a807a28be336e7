// Made of containerd/cgroups_v1.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'

export interface Metrics {
  pids: PidsStat | undefined
  cpu: CPUStat | undefined
  memory: MemoryStat | undefined
  blkio: BlkIOStat | undefined
  network: NetworkStat[]
}
export const Metrics: Message<Metrics> = /* @__PURE__ */ new Message('2 pids PidsStat?;3 cpu CPUStat?;4 memory MemoryStat?;5 blkio BlkIOStat?;7 network NetworkStat[]', types)

export interface PidsStat {
  current: bigint
  limit: bigint
}
export const PidsStat: Message<PidsStat> = /* @__PURE__ */ new Message('1 current uint64;2 limit uint64')

export interface CPUStat {
  usage: CPUUsage | undefined
  throttling: Throttle | undefined
}
export const CPUStat: Message<CPUStat> = /* @__PURE__ */ new Message('1 usage CPUUsage?;2 throttling Throttle?', types)

export interface CPUUsage {
  total: bigint
  kernel: bigint
  user: bigint
}
export const CPUUsage: Message<CPUUsage> = /* @__PURE__ */ new Message('1 total uint64;2 kernel uint64;3 user uint64')

export interface Throttle {
  periods: bigint
  throttledPeriods: bigint
  throttledTime: bigint
}
export const Throttle: Message<Throttle> = /* @__PURE__ */ new Message('1 periods uint64;2 throttledPeriods uint64;3 throttledTime uint64')

export interface MemoryStat {
  cache: bigint
  rss: bigint
  rssHuge: bigint
  mappedFile: bigint
  dirty: bigint
  writeback: bigint
  pgFault: bigint
  pgMajFault: bigint
  inactiveAnon: bigint
  activeAnon: bigint
  inactiveFile: bigint
  activeFile: bigint
  unevictable: bigint
  hierarchicalMemoryLimit: bigint
  totalCache: bigint
  totalRss: bigint
  totalRssHuge: bigint
  totalMappedFile: bigint
  totalDirty: bigint
  totalWriteback: bigint
  totalPgFault: bigint
  totalPgMajFault: bigint
  totalInactiveAnon: bigint
  totalActiveAnon: bigint
  totalInactiveFile: bigint
  totalActiveFile: bigint
  totalUnevictable: bigint
  usage: MemoryEntry | undefined
  swap: MemoryEntry | undefined
  kernel: MemoryEntry | undefined
}
export const MemoryStat: Message<MemoryStat> = /* @__PURE__ */ new Message('1 cache uint64;2 rss uint64;3 rssHuge uint64;4 mappedFile uint64;5 dirty uint64;6 writeback uint64;9 pgFault uint64;10 pgMajFault uint64;11 inactiveAnon uint64;12 activeAnon uint64;13 inactiveFile uint64;14 activeFile uint64;15 unevictable uint64;16 hierarchicalMemoryLimit uint64;18 totalCache uint64;19 totalRss uint64;20 totalRssHuge uint64;21 totalMappedFile uint64;22 totalDirty uint64;23 totalWriteback uint64;25 totalPgFault uint64;26 totalPgMajFault uint64;27 totalInactiveAnon uint64;28 totalActiveAnon uint64;29 totalInactiveFile uint64;30 totalActiveFile uint64;31 totalUnevictable uint64;33 usage MemoryEntry?;34 swap MemoryEntry?;35 kernel MemoryEntry?', types)

export interface MemoryEntry {
  limit: bigint
  usage: bigint
  max: bigint
  failcnt: bigint
}
export const MemoryEntry: Message<MemoryEntry> = /* @__PURE__ */ new Message('1 limit uint64;2 usage uint64;3 max uint64;4 failcnt uint64')

export interface BlkIOStat {
  ioServiceBytesRecursive: BlkIOEntry[]
  ioServicedRecursive: BlkIOEntry[]
}
export const BlkIOStat: Message<BlkIOStat> = /* @__PURE__ */ new Message('1 ioServiceBytesRecursive BlkIOEntry[];2 ioServicedRecursive BlkIOEntry[]', types)

export interface BlkIOEntry {
  op: string
  device: string
  major: bigint
  minor: bigint
  value: bigint
}
export const BlkIOEntry: Message<BlkIOEntry> = /* @__PURE__ */ new Message('1 op string;2 device string;3 major uint64;4 minor uint64;5 value uint64')

export interface NetworkStat {
  name: string
  rxBytes: bigint
  rxPackets: bigint
  rxErrors: bigint
  rxDropped: bigint
  txBytes: bigint
  txPackets: bigint
  txErrors: bigint
  txDropped: bigint
}
export const NetworkStat: Message<NetworkStat> = /* @__PURE__ */ new Message('1 name string;2 rxBytes uint64;3 rxPackets uint64;4 rxErrors uint64;5 rxDropped uint64;6 txBytes uint64;7 txPackets uint64;8 txErrors uint64;9 txDropped uint64')

/** The types that lines of messages name. */
function types(): Types {
  return { BlkIOEntry, BlkIOStat, CPUStat, CPUUsage, MemoryEntry, MemoryStat, NetworkStat, PidsStat, Throttle }
}
