// Made of containerd/cgroups_v2.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'

export interface Metrics {
  pids: PidsStat | undefined
  cpu: CPUStat | undefined
  memory: MemoryStat | undefined
  io: IOStat | undefined
  memoryEvents: MemoryEvents | undefined
  network: NetworkStat[]
}
export const Metrics: Message<Metrics> = /* @__PURE__ */ new Message('1 pids PidsStat?;2 cpu CPUStat?;4 memory MemoryStat?;6 io IOStat?;8 memoryEvents MemoryEvents?;9 network NetworkStat[]', types)

export interface PidsStat {
  current: bigint
  limit: bigint
}
export const PidsStat: Message<PidsStat> = /* @__PURE__ */ new Message('1 current uint64;2 limit uint64')

export interface CPUStat {
  usageUsec: bigint
  userUsec: bigint
  systemUsec: bigint
  nrPeriods: bigint
  nrThrottled: bigint
  throttledUsec: bigint
}
export const CPUStat: Message<CPUStat> = /* @__PURE__ */ new Message('1 usageUsec uint64;2 userUsec uint64;3 systemUsec uint64;4 nrPeriods uint64;5 nrThrottled uint64;6 throttledUsec uint64')

export interface MemoryStat {
  anon: bigint
  file: bigint
  kernelStack: bigint
  slab: bigint
  sock: bigint
  shmem: bigint
  fileMapped: bigint
  fileDirty: bigint
  fileWriteback: bigint
  anonThp: bigint
  inactiveAnon: bigint
  activeAnon: bigint
  inactiveFile: bigint
  activeFile: bigint
  unevictable: bigint
  slabReclaimable: bigint
  slabUnreclaimable: bigint
  pgfault: bigint
  pgmajfault: bigint
  usage: bigint
  usageLimit: bigint
  swapUsage: bigint
  swapLimit: bigint
  maxUsage: bigint
  swapMaxUsage: bigint
}
export const MemoryStat: Message<MemoryStat> = /* @__PURE__ */ new Message('1 anon uint64;2 file uint64;3 kernelStack uint64;4 slab uint64;5 sock uint64;6 shmem uint64;7 fileMapped uint64;8 fileDirty uint64;9 fileWriteback uint64;10 anonThp uint64;11 inactiveAnon uint64;12 activeAnon uint64;13 inactiveFile uint64;14 activeFile uint64;15 unevictable uint64;16 slabReclaimable uint64;17 slabUnreclaimable uint64;18 pgfault uint64;19 pgmajfault uint64;32 usage uint64;33 usageLimit uint64;34 swapUsage uint64;35 swapLimit uint64;36 maxUsage uint64;37 swapMaxUsage uint64')

export interface MemoryEvents {
  low: bigint
  high: bigint
  max: bigint
  oom: bigint
  oomKill: bigint
}
export const MemoryEvents: Message<MemoryEvents> = /* @__PURE__ */ new Message('1 low uint64;2 high uint64;3 max uint64;4 oom uint64;5 oomKill uint64')

export interface IOStat {
  usage: IOEntry[]
}
export const IOStat: Message<IOStat> = /* @__PURE__ */ new Message('1 usage IOEntry[]', types)

export interface IOEntry {
  major: bigint
  minor: bigint
  rbytes: bigint
  wbytes: bigint
  rios: bigint
  wios: bigint
}
export const IOEntry: Message<IOEntry> = /* @__PURE__ */ new Message('1 major uint64;2 minor uint64;3 rbytes uint64;4 wbytes uint64;5 rios uint64;6 wios uint64')

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
  return { CPUStat, IOEntry, IOStat, MemoryEvents, MemoryStat, NetworkStat, PidsStat }
}
