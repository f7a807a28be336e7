// Made of oci.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../protobuf/message.ts'

export interface Spec {
  version: string
  process: Process | undefined
  root: Root | undefined
  hostname: string
  mounts: Mount[]
  hooks: Hooks | undefined
  annotations: { [key: string]: string }
  linux: Linux | undefined
}
export const Spec: Message<Spec> = /* @__PURE__ */ new Message('1 version string;2 process Process?;3 root Root?;4 hostname string;5 mounts Mount[];6 hooks Hooks?;7 annotations string{};8 linux Linux?', types)

export interface Process {
  terminal: boolean
  consoleSize: Box | undefined
  user: User | undefined
  args: string[]
  env: string[]
  cwd: string
  capabilities: LinuxCapabilities | undefined
  rlimits: POSIXRlimit[]
  noNewPrivileges: boolean
  apparmorProfile: string
  oomScoreAdj: bigint
  selinuxLabel: string
}
export const Process: Message<Process> = /* @__PURE__ */ new Message('1 terminal bool;2 consoleSize Box?;3 user User?;4 args string[];5 env string[];6 cwd string;7 capabilities LinuxCapabilities?;8 rlimits POSIXRlimit[];9 noNewPrivileges bool;10 apparmorProfile string;11 oomScoreAdj int64;12 selinuxLabel string', types)

export interface Box {
  height: number
  width: number
}
export const Box: Message<Box> = /* @__PURE__ */ new Message('1 height uint32;2 width uint32')

export interface User {
  uid: number
  gid: number
  additionalGids: number[]
  username: string
  /** Ours, as below: absent is the usual mask. */
  umask?: number | undefined
}
export const User: Message<User> = /* @__PURE__ */ new Message('1 uid uint32;2 gid uint32;3 additionalGids uint32[];4 username string;1000 umask uint32?')

export interface LinuxCapabilities {
  bounding: string[]
  effective: string[]
  inheritable: string[]
  permitted: string[]
  ambient: string[]
}
export const LinuxCapabilities: Message<LinuxCapabilities> = /* @__PURE__ */ new Message('1 bounding string[];2 effective string[];3 inheritable string[];4 permitted string[];5 ambient string[]')

export interface POSIXRlimit {
  type: string
  hard: bigint
  soft: bigint
}
export const POSIXRlimit: Message<POSIXRlimit> = /* @__PURE__ */ new Message('1 type string;2 hard uint64;3 soft uint64')

export interface Mount {
  destination: string
  source: string
  type: string
  options: string[]
}
export const Mount: Message<Mount> = /* @__PURE__ */ new Message('1 destination string;2 source string;3 type string;4 options string[]')

export interface Root {
  path: string
  readonly: boolean
}
export const Root: Message<Root> = /* @__PURE__ */ new Message('1 path string;2 readonly bool')

export interface Hooks {
  prestart: Hook[]
  poststart: Hook[]
  poststop: Hook[]
  createRuntime: Hook[]
  createContainer: Hook[]
  startContainer: Hook[]
}
export const Hooks: Message<Hooks> = /* @__PURE__ */ new Message('1 prestart Hook[];2 poststart Hook[];3 poststop Hook[];4 createRuntime Hook[];5 createContainer Hook[];6 startContainer Hook[]', types)

export interface Hook {
  path: string
  args: string[]
  env: string[]
  timeout: bigint
}
export const Hook: Message<Hook> = /* @__PURE__ */ new Message('1 path string;2 args string[];3 env string[];4 timeout int64')

export interface Linux {
  uidMappings: LinuxIDMapping[]
  gidMappings: LinuxIDMapping[]
  sysctl: { [key: string]: string }
  resources: LinuxResources | undefined
  cgroupsPath: string
  namespaces: LinuxNamespace[]
  devices: LinuxDevice[]
  seccomp: LinuxSeccomp | undefined
  rootfsPropagation: string
  maskedPaths: string[]
  readonlyPaths: string[]
  mountLabel: string
  intelRdt: LinuxIntelRdt | undefined
}
export const Linux: Message<Linux> = /* @__PURE__ */ new Message('1 uidMappings LinuxIDMapping[];2 gidMappings LinuxIDMapping[];3 sysctl string{};4 resources LinuxResources?;5 cgroupsPath string;6 namespaces LinuxNamespace[];7 devices LinuxDevice[];8 seccomp LinuxSeccomp?;9 rootfsPropagation string;10 maskedPaths string[];11 readonlyPaths string[];12 mountLabel string;13 intelRdt LinuxIntelRdt?', types)

export interface LinuxIDMapping {
  hostId: number
  containerId: number
  size: number
}
export const LinuxIDMapping: Message<LinuxIDMapping> = /* @__PURE__ */ new Message('1 hostId uint32;2 containerId uint32;3 size uint32')

export interface LinuxNamespace {
  type: string
  path: string
}
export const LinuxNamespace: Message<LinuxNamespace> = /* @__PURE__ */ new Message('1 type string;2 path string')

export interface LinuxDevice {
  path: string
  type: string
  major: bigint
  minor: bigint
  fileMode: number
  uid: number
  gid: number
}
export const LinuxDevice: Message<LinuxDevice> = /* @__PURE__ */ new Message('1 path string;2 type string;3 major int64;4 minor int64;5 fileMode uint32;6 uid uint32;7 gid uint32')

export interface LinuxResources {
  devices: LinuxDeviceCgroup[]
  memory: LinuxMemory | undefined
  cpu: LinuxCPU | undefined
  pids: LinuxPids | undefined
  blockIo: LinuxBlockIO | undefined
  hugepageLimits: LinuxHugepageLimit[]
  network: LinuxNetwork | undefined
  /** Ours, as above: files of cgroup v2 by name. */
  unified: { [key: string]: string }
}
export const LinuxResources: Message<LinuxResources> = /* @__PURE__ */ new Message('1 devices LinuxDeviceCgroup[];2 memory LinuxMemory?;3 cpu LinuxCPU?;4 pids LinuxPids?;5 blockIo LinuxBlockIO?;6 hugepageLimits LinuxHugepageLimit[];7 network LinuxNetwork?;1000 unified string{}', types)

export interface LinuxMemory {
  limit: bigint
  reservation: bigint
  swap: bigint
  kernel: bigint
  kernelTcp: bigint
  swappiness: bigint
  disableOomKiller: boolean
}
export const LinuxMemory: Message<LinuxMemory> = /* @__PURE__ */ new Message('1 limit int64;2 reservation int64;3 swap int64;4 kernel int64;5 kernelTcp int64;6 swappiness uint64;7 disableOomKiller bool')

export interface LinuxCPU {
  shares: bigint
  quota: bigint
  period: bigint
  realtimeRuntime: bigint
  realtimePeriod: bigint
  cpus: string
  mems: string
}
export const LinuxCPU: Message<LinuxCPU> = /* @__PURE__ */ new Message('1 shares uint64;2 quota int64;3 period uint64;4 realtimeRuntime int64;5 realtimePeriod uint64;6 cpus string;7 mems string')

export interface LinuxWeightDevice {
  major: bigint
  minor: bigint
  weight: number
  leafWeight: number
}
export const LinuxWeightDevice: Message<LinuxWeightDevice> = /* @__PURE__ */ new Message('1 major int64;2 minor int64;3 weight uint32;4 leafWeight uint32')

export interface LinuxThrottleDevice {
  major: bigint
  minor: bigint
  rate: bigint
}
export const LinuxThrottleDevice: Message<LinuxThrottleDevice> = /* @__PURE__ */ new Message('1 major int64;2 minor int64;3 rate uint64')

export interface LinuxBlockIO {
  weight: number
  leafWeight: number
  weightDevice: LinuxWeightDevice[]
  throttleReadBpsDevice: LinuxThrottleDevice[]
  throttleWriteBpsDevice: LinuxThrottleDevice[]
  throttleReadIopsDevice: LinuxThrottleDevice[]
  throttleWriteIopsDevice: LinuxThrottleDevice[]
}
export const LinuxBlockIO: Message<LinuxBlockIO> = /* @__PURE__ */ new Message('1 weight uint32;2 leafWeight uint32;3 weightDevice LinuxWeightDevice[];4 throttleReadBpsDevice LinuxThrottleDevice[];5 throttleWriteBpsDevice LinuxThrottleDevice[];6 throttleReadIopsDevice LinuxThrottleDevice[];7 throttleWriteIopsDevice LinuxThrottleDevice[]', types)

export interface LinuxPids {
  limit: bigint
}
export const LinuxPids: Message<LinuxPids> = /* @__PURE__ */ new Message('1 limit int64')

export interface LinuxDeviceCgroup {
  allow: boolean
  type: string
  major: bigint
  minor: bigint
  access: string
}
export const LinuxDeviceCgroup: Message<LinuxDeviceCgroup> = /* @__PURE__ */ new Message('1 allow bool;2 type string;3 major int64;4 minor int64;5 access string')

export interface LinuxNetwork {
  classId: number
  priorities: LinuxInterfacePriority[]
}
export const LinuxNetwork: Message<LinuxNetwork> = /* @__PURE__ */ new Message('1 classId uint32;2 priorities LinuxInterfacePriority[]', types)

export interface LinuxHugepageLimit {
  pagesize: string
  limit: bigint
}
export const LinuxHugepageLimit: Message<LinuxHugepageLimit> = /* @__PURE__ */ new Message('1 pagesize string;2 limit uint64')

export interface LinuxInterfacePriority {
  name: string
  priority: number
}
export const LinuxInterfacePriority: Message<LinuxInterfacePriority> = /* @__PURE__ */ new Message('1 name string;2 priority uint32')

export interface LinuxSeccomp {
  defaultAction: string
  architectures: string[]
  flags: string[]
  syscalls: LinuxSyscall[]
  /** Ours, far from Kata's numbers, which have no field for it: defaultErrnoRet. An agent of Kata's leaves it out. */
  defaultErrnoRet: number
}
export const LinuxSeccomp: Message<LinuxSeccomp> = /* @__PURE__ */ new Message('1 defaultAction string;2 architectures string[];3 flags string[];4 syscalls LinuxSyscall[];1000 defaultErrnoRet uint32', types)

export interface LinuxSeccompArg {
  index: bigint
  value: bigint
  valueTwo: bigint
  op: string
}
export const LinuxSeccompArg: Message<LinuxSeccompArg> = /* @__PURE__ */ new Message('1 index uint64;2 value uint64;3 valueTwo uint64;4 op string')

export interface LinuxSyscall {
  names: string[]
  action: string
  errnoRet: number
  args: LinuxSeccompArg[]
}
export const LinuxSyscall: Message<LinuxSyscall> = /* @__PURE__ */ new Message('1 names string[];2 action string;3 errnoRet uint32;4 args LinuxSeccompArg[]', types)

export interface LinuxIntelRdt {
  l3CacheSchema: string
}
export const LinuxIntelRdt: Message<LinuxIntelRdt> = /* @__PURE__ */ new Message('1 l3CacheSchema string')

/** The types that lines of messages name. */
function types(): Types {
  return { Box, Hook, Hooks, Linux, LinuxBlockIO, LinuxCPU, LinuxCapabilities, LinuxDevice, LinuxDeviceCgroup, LinuxHugepageLimit, LinuxIDMapping, LinuxIntelRdt, LinuxInterfacePriority, LinuxMemory, LinuxNamespace, LinuxNetwork, LinuxPids, LinuxResources, LinuxSeccomp, LinuxSeccompArg, LinuxSyscall, LinuxThrottleDevice, LinuxWeightDevice, Mount, POSIXRlimit, Process, Root, User }
}
