// Made of agent.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../protobuf/message.ts'
import { Empty } from './google/protobuf/empty.ts'
import { LinuxResources, Process, Spec } from './oci.ts'
import { ARPNeighbor, type FSGroupChangePolicy, Interface, Route } from './types.ts'

export interface LoadDriversRequest {
  /** As modprobe(8) takes them. */
  names: string[]
}
export const LoadDriversRequest: Message<LoadDriversRequest> = /* @__PURE__ */ new Message('1 names string[]')

export interface ClearFreeMemoryRequest {}
export const ClearFreeMemoryRequest: Message<ClearFreeMemoryRequest> = /* @__PURE__ */ new Message('')

export interface SyncFileSystemsRequest {}
export const SyncFileSystemsRequest: Message<SyncFileSystemsRequest> = /* @__PURE__ */ new Message('')

export interface AbortConnectionsRequest {}
export const AbortConnectionsRequest: Message<AbortConnectionsRequest> = /* @__PURE__ */ new Message('')

export interface ReclaimMemoryRequest {
  containerId: string
}
export const ReclaimMemoryRequest: Message<ReclaimMemoryRequest> = /* @__PURE__ */ new Message('1 containerId string')

/** exec_id of the init process: the host uses the container id. */
export interface CreateContainerRequest {
  containerId: string
  execId: string
  stringUser: StringUser | undefined
  devices: Device[]
  storages: Storage[]
  oci: Spec | undefined
  sandboxPidns: boolean
  sharedMounts: SharedMount[]
  stdinPort: number
  stdoutPort: number
  stderrPort: number
  /**
   * Ours, far from Kata's numbers, which have no field for it: the container takes part in the processes of this one. An agent of
   * Kata's leaves it out.
   */
  pidnsContainer: string
}
export const CreateContainerRequest: Message<CreateContainerRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string;3 stringUser StringUser?;4 devices Device[];5 storages Storage[];6 oci Spec?;7 sandboxPidns bool;8 sharedMounts SharedMount[];9 stdinPort uint32;10 stdoutPort uint32;11 stderrPort uint32;1000 pidnsContainer string', types)

export interface StartContainerRequest {
  containerId: string
}
export const StartContainerRequest: Message<StartContainerRequest> = /* @__PURE__ */ new Message('1 containerId string')

/** timeout in seconds; 0 waits for ever. */
export interface RemoveContainerRequest {
  containerId: string
  timeout: number
}
export const RemoveContainerRequest: Message<RemoveContainerRequest> = /* @__PURE__ */ new Message('1 containerId string;2 timeout uint32')

export interface ExecProcessRequest {
  containerId: string
  execId: string
  stringUser: StringUser | undefined
  process: Process | undefined
  stdinPort: number
  stdoutPort: number
  stderrPort: number
}
export const ExecProcessRequest: Message<ExecProcessRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string;3 stringUser StringUser?;4 process Process?;5 stdinPort uint32;6 stdoutPort uint32;7 stderrPort uint32', types)

/** An empty exec_id means every process of the container, and its id the init alone. */
export interface SignalProcessRequest {
  containerId: string
  execId: string
  signal: number
}
export const SignalProcessRequest: Message<SignalProcessRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string;3 signal uint32')

export interface WaitProcessRequest {
  containerId: string
  execId: string
}
export const WaitProcessRequest: Message<WaitProcessRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string')

/** Exit code, or 128 + number of the signal that ended the process. */
export interface WaitProcessResponse {
  status: number
}
export const WaitProcessResponse: Message<WaitProcessResponse> = /* @__PURE__ */ new Message('1 status int32')

export interface UpdateContainerRequest {
  containerId: string
  resources: LinuxResources | undefined
}
export const UpdateContainerRequest: Message<UpdateContainerRequest> = /* @__PURE__ */ new Message('1 containerId string;2 resources LinuxResources?', types)

export interface StatsContainerRequest {
  containerId: string
}
export const StatsContainerRequest: Message<StatsContainerRequest> = /* @__PURE__ */ new Message('1 containerId string')

export interface PauseContainerRequest {
  containerId: string
}
export const PauseContainerRequest: Message<PauseContainerRequest> = /* @__PURE__ */ new Message('1 containerId string')

export interface ResumeContainerRequest {
  containerId: string
}
export const ResumeContainerRequest: Message<ResumeContainerRequest> = /* @__PURE__ */ new Message('1 containerId string')

/** Nanoseconds. */
export interface CpuUsage {
  totalUsage: bigint
  percpuUsage: bigint[]
  usageInKernelmode: bigint
  usageInUsermode: bigint
}
export const CpuUsage: Message<CpuUsage> = /* @__PURE__ */ new Message('1 totalUsage uint64;2 percpuUsage uint64[];3 usageInKernelmode uint64;4 usageInUsermode uint64')

export interface ThrottlingData {
  periods: bigint
  throttledPeriods: bigint
  throttledTime: bigint
}
export const ThrottlingData: Message<ThrottlingData> = /* @__PURE__ */ new Message('1 periods uint64;2 throttledPeriods uint64;3 throttledTime uint64')

export interface CpuStats {
  cpuUsage: CpuUsage | undefined
  throttlingData: ThrottlingData | undefined
}
export const CpuStats: Message<CpuStats> = /* @__PURE__ */ new Message('1 cpuUsage CpuUsage?;2 throttlingData ThrottlingData?', types)

export interface PidsStats {
  current: bigint
  limit: bigint
}
export const PidsStats: Message<PidsStats> = /* @__PURE__ */ new Message('1 current uint64;2 limit uint64')

export interface MemoryData {
  usage: bigint
  maxUsage: bigint
  failcnt: bigint
  limit: bigint
}
export const MemoryData: Message<MemoryData> = /* @__PURE__ */ new Message('1 usage uint64;2 maxUsage uint64;3 failcnt uint64;4 limit uint64')

/** Sizes in bytes; the cgroup v1 names are kept on a v2 guest. */
export interface MemoryStats {
  cache: bigint
  usage: MemoryData | undefined
  swapUsage: MemoryData | undefined
  kernelUsage: MemoryData | undefined
  useHierarchy: boolean
  stats: { [key: string]: bigint }
}
export const MemoryStats: Message<MemoryStats> = /* @__PURE__ */ new Message('1 cache uint64;2 usage MemoryData?;3 swapUsage MemoryData?;4 kernelUsage MemoryData?;5 useHierarchy bool;6 stats uint64{}', types)

export interface BlkioStatsEntry {
  major: bigint
  minor: bigint
  op: string
  value: bigint
}
export const BlkioStatsEntry: Message<BlkioStatsEntry> = /* @__PURE__ */ new Message('1 major uint64;2 minor uint64;3 op string;4 value uint64')

export interface BlkioStats {
  ioServiceBytesRecursive: BlkioStatsEntry[]
  ioServicedRecursive: BlkioStatsEntry[]
  ioQueuedRecursive: BlkioStatsEntry[]
  ioServiceTimeRecursive: BlkioStatsEntry[]
  ioWaitTimeRecursive: BlkioStatsEntry[]
  ioMergedRecursive: BlkioStatsEntry[]
  ioTimeRecursive: BlkioStatsEntry[]
  sectorsRecursive: BlkioStatsEntry[]
}
export const BlkioStats: Message<BlkioStats> = /* @__PURE__ */ new Message('1 ioServiceBytesRecursive BlkioStatsEntry[];2 ioServicedRecursive BlkioStatsEntry[];3 ioQueuedRecursive BlkioStatsEntry[];4 ioServiceTimeRecursive BlkioStatsEntry[];5 ioWaitTimeRecursive BlkioStatsEntry[];6 ioMergedRecursive BlkioStatsEntry[];7 ioTimeRecursive BlkioStatsEntry[];8 sectorsRecursive BlkioStatsEntry[]', types)

export interface HugetlbStats {
  usage: bigint
  maxUsage: bigint
  failcnt: bigint
}
export const HugetlbStats: Message<HugetlbStats> = /* @__PURE__ */ new Message('1 usage uint64;2 maxUsage uint64;3 failcnt uint64')

export interface CgroupStats {
  cpuStats: CpuStats | undefined
  memoryStats: MemoryStats | undefined
  pidsStats: PidsStats | undefined
  blkioStats: BlkioStats | undefined
  hugetlbStats: { [key: string]: HugetlbStats }
}
export const CgroupStats: Message<CgroupStats> = /* @__PURE__ */ new Message('1 cpuStats CpuStats?;2 memoryStats MemoryStats?;3 pidsStats PidsStats?;4 blkioStats BlkioStats?;5 hugetlbStats HugetlbStats{}', types)

export interface NetworkStats {
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
export const NetworkStats: Message<NetworkStats> = /* @__PURE__ */ new Message('1 name string;2 rxBytes uint64;3 rxPackets uint64;4 rxErrors uint64;5 rxDropped uint64;6 txBytes uint64;7 txPackets uint64;8 txErrors uint64;9 txDropped uint64')

export interface StatsContainerResponse {
  cgroupStats: CgroupStats | undefined
  networkStats: NetworkStats[]
}
export const StatsContainerResponse: Message<StatsContainerResponse> = /* @__PURE__ */ new Message('1 cgroupStats CgroupStats?;2 networkStats NetworkStats[]', types)

/**
 * Ours: the bytes are in the stream buffer instead, `buffer_len` of them from `buffer_offset` on (src/sharing/stream-buffer.ts), and the process
 * has no longer than `buffer_ms` to read them, unless that is 0. The host sends what is left in other calls.
 */
export interface WriteStreamRequest {
  containerId: string
  execId: string
  data: Uint8Array
  bufferOffset: number
  bufferLen: number
  bufferMs: number
}
export const WriteStreamRequest: Message<WriteStreamRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string;3 data bytes;1000 bufferOffset uint32;1001 bufferLen uint32;1002 bufferMs uint32')

/** How many bytes the process took. */
export interface WriteStreamResponse {
  len: number
}
export const WriteStreamResponse: Message<WriteStreamResponse> = /* @__PURE__ */ new Message('1 len uint32')

/**
 * Asks for at most `len` bytes; blocks until there is at least one. Ours: up to `buffer_len` bytes may come through the stream buffer
 * instead, from `buffer_offset` on (src/sharing/stream-buffer.ts), and the answer is "idle" when nothing has come for `buffer_ms`, unless that
 * is 0. Kata's agent passes over the three.
 */
export interface ReadStreamRequest {
  containerId: string
  execId: string
  len: number
  bufferOffset: number
  bufferLen: number
  bufferMs: number
}
export const ReadStreamRequest: Message<ReadStreamRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string;3 len uint32;1000 bufferOffset uint32;1001 bufferLen uint32;1002 bufferMs uint32')

/** Empty data is the end of the stream, unless so many bytes are in the stream buffer, or it is idle. */
export interface ReadStreamResponse {
  data: Uint8Array
  buffered: number
  idle: boolean
}
export const ReadStreamResponse: Message<ReadStreamResponse> = /* @__PURE__ */ new Message('1 data bytes;1000 buffered uint32;1001 idle bool')

export interface CloseStdinRequest {
  containerId: string
  execId: string
}
export const CloseStdinRequest: Message<CloseStdinRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string')

export interface TtyWinResizeRequest {
  containerId: string
  execId: string
  row: number
  column: number
}
export const TtyWinResizeRequest: Message<TtyWinResizeRequest> = /* @__PURE__ */ new Message('1 containerId string;2 execId string;3 row uint32;4 column uint32')

export interface KernelModule {
  name: string
  parameters: string[]
}
export const KernelModule: Message<KernelModule> = /* @__PURE__ */ new Message('1 name string;2 parameters string[]')

/** dns holds the lines of resolv.conf. */
export interface CreateSandboxRequest {
  hostname: string
  dns: string[]
  storages: Storage[]
  sandboxPidns: boolean
  sandboxId: string
  guestHookPath: string
  kernelModules: KernelModule[]
}
export const CreateSandboxRequest: Message<CreateSandboxRequest> = /* @__PURE__ */ new Message('1 hostname string;2 dns string[];3 storages Storage[];4 sandboxPidns bool;5 sandboxId string;6 guestHookPath string;7 kernelModules KernelModule[]', types)

export interface DestroySandboxRequest {}
export const DestroySandboxRequest: Message<DestroySandboxRequest> = /* @__PURE__ */ new Message('')

export interface RemoveStaleVirtiofsShareMountsRequest {}
export const RemoveStaleVirtiofsShareMountsRequest: Message<RemoveStaleVirtiofsShareMountsRequest> = /* @__PURE__ */ new Message('')

export interface Interfaces {
  interfaces: Interface[]
}
export const Interfaces: Message<Interfaces> = /* @__PURE__ */ new Message('1 interfaces Interface[]', types)

export interface Routes {
  routes: Route[]
  /**
   * Not of Kata, whose agent passes over it: the routes that the kernel made for addresses. Kata's host keeps quiet about
   * them, so that a guest cannot know that a network plugin took some away.
   */
  kernel: KernelRoutes | undefined
}
export const Routes: Message<Routes> = /* @__PURE__ */ new Message('1 routes Route[];1000 kernel KernelRoutes?', types)

export interface KernelRoutes {
  routes: Route[]
}
export const KernelRoutes: Message<KernelRoutes> = /* @__PURE__ */ new Message('1 routes Route[]', types)

export interface UpdateInterfaceRequest {
  interface: Interface | undefined
}
export const UpdateInterfaceRequest: Message<UpdateInterfaceRequest> = /* @__PURE__ */ new Message('1 interface Interface?', types)

export interface UpdateRoutesRequest {
  routes: Routes | undefined
}
export const UpdateRoutesRequest: Message<UpdateRoutesRequest> = /* @__PURE__ */ new Message('1 routes Routes?', types)

export interface UpdateEphemeralMountsRequest {
  storages: Storage[]
}
export const UpdateEphemeralMountsRequest: Message<UpdateEphemeralMountsRequest> = /* @__PURE__ */ new Message('1 storages Storage[]', types)

export interface ListInterfacesRequest {}
export const ListInterfacesRequest: Message<ListInterfacesRequest> = /* @__PURE__ */ new Message('')

export interface ListRoutesRequest {}
export const ListRoutesRequest: Message<ListRoutesRequest> = /* @__PURE__ */ new Message('')

export interface ARPNeighbors {
  arpNeighbors: ARPNeighbor[]
}
export const ARPNeighbors: Message<ARPNeighbors> = /* @__PURE__ */ new Message('1 arpNeighbors ARPNeighbor[]', types)

export interface AddARPNeighborsRequest {
  neighbors: ARPNeighbors | undefined
}
export const AddARPNeighborsRequest: Message<AddARPNeighborsRequest> = /* @__PURE__ */ new Message('1 neighbors ARPNeighbors?', types)

export interface GetIPTablesRequest {
  isIpv6: boolean
}
export const GetIPTablesRequest: Message<GetIPTablesRequest> = /* @__PURE__ */ new Message('1 isIpv6 bool')

export interface GetIPTablesResponse {
  data: Uint8Array
}
export const GetIPTablesResponse: Message<GetIPTablesResponse> = /* @__PURE__ */ new Message('1 data bytes')

export interface SetIPTablesRequest {
  isIpv6: boolean
  data: Uint8Array
}
export const SetIPTablesRequest: Message<SetIPTablesRequest> = /* @__PURE__ */ new Message('1 isIpv6 bool;2 data bytes')

export interface SetIPTablesResponse {
  data: Uint8Array
}
export const SetIPTablesResponse: Message<SetIPTablesResponse> = /* @__PURE__ */ new Message('1 data bytes')

/** Brings hot-plugged CPUs and memory online in the guest. */
export interface OnlineCPUMemRequest {
  wait: boolean
  nbCpus: number
  cpuOnly: boolean
}
export const OnlineCPUMemRequest: Message<OnlineCPUMemRequest> = /* @__PURE__ */ new Message('1 wait bool;2 nbCpus uint32;3 cpuOnly bool')

export interface ReseedRandomDevRequest {
  data: Uint8Array
}
export const ReseedRandomDevRequest: Message<ReseedRandomDevRequest> = /* @__PURE__ */ new Message('2 data bytes')

export interface AgentDetails {
  version: string
  initDaemon: boolean
  deviceHandlers: string[]
  storageHandlers: string[]
  supportsSeccomp: boolean
  extraFeatures: string[]
}
export const AgentDetails: Message<AgentDetails> = /* @__PURE__ */ new Message('1 version string;2 initDaemon bool;3 deviceHandlers string[];4 storageHandlers string[];5 supportsSeccomp bool;6 extraFeatures string[]')

export interface GuestDetailsRequest {
  memBlockSize: boolean
  memHotplugProbe: boolean
}
export const GuestDetailsRequest: Message<GuestDetailsRequest> = /* @__PURE__ */ new Message('1 memBlockSize bool;2 memHotplugProbe bool')

export interface GuestDetailsResponse {
  memBlockSizeBytes: bigint
  agentDetails: AgentDetails | undefined
  supportMemHotplugProbe: boolean
}
export const GuestDetailsResponse: Message<GuestDetailsResponse> = /* @__PURE__ */ new Message('1 memBlockSizeBytes uint64;2 agentDetails AgentDetails?;3 supportMemHotplugProbe bool', types)

export interface MemHotplugByProbeRequest {
  memHotplugProbeAddr: bigint[]
}
export const MemHotplugByProbeRequest: Message<MemHotplugByProbeRequest> = /* @__PURE__ */ new Message('1 memHotplugProbeAddr uint64[]')

export interface SetGuestDateTimeRequest {
  sec: bigint
  usec: bigint
}
export const SetGuestDateTimeRequest: Message<SetGuestDateTimeRequest> = /* @__PURE__ */ new Message('1 sec int64;2 usec int64')

export interface FSGroup {
  groupId: number
  groupChangePolicy: FSGroupChangePolicy
}
export const FSGroup: Message<FSGroup> = /* @__PURE__ */ new Message('2 groupId uint32;3 groupChangePolicy int32')

export interface SharedMount {
  name: string
  srcCtr: string
  srcPath: string
  dstCtr: string
  dstPath: string
}
export const SharedMount: Message<SharedMount> = /* @__PURE__ */ new Message('1 name string;2 srcCtr string;3 srcPath string;4 dstCtr string;5 dstPath string')

/** Something the guest mounts before it is used: a shared directory, a tmpfs, a block device. */
export interface Storage {
  driver: string
  driverOptions: string[]
  source: string
  fstype: string
  options: string[]
  mountPoint: string
  fsGroup: FSGroup | undefined
  shared: boolean
}
export const Storage: Message<Storage> = /* @__PURE__ */ new Message('1 driver string;2 driverOptions string[];3 source string;4 fstype string;5 options string[];6 mountPoint string;7 fsGroup FSGroup?;8 shared bool', types)

/** A device that the VMM has, to be made visible in a container. */
export interface Device {
  id: string
  type: string
  vmPath: string
  containerPath: string
  options: string[]
}
export const Device: Message<Device> = /* @__PURE__ */ new Message('1 id string;2 type string;3 vmPath string;4 containerPath string;5 options string[]')

export interface StringUser {
  uid: string
  gid: string
  additionalGids: string[]
}
export const StringUser: Message<StringUser> = /* @__PURE__ */ new Message('1 uid string;2 gid string;3 additionalGids string[]')

/** One chunk of a file, directory or link, for guests without a shared file system. */
export interface CopyFileRequest {
  path: string
  fileSize: bigint
  fileMode: number
  dirMode: number
  uid: number
  gid: number
  offset: bigint
  data: Uint8Array
}
export const CopyFileRequest: Message<CopyFileRequest> = /* @__PURE__ */ new Message('1 path string;2 fileSize int64;3 fileMode uint32;4 dirMode uint32;5 uid int32;6 gid int32;7 offset int64;8 data bytes')

export interface GetOOMEventRequest {}
export const GetOOMEventRequest: Message<GetOOMEventRequest> = /* @__PURE__ */ new Message('')

/** The container in which the kernel killed a process for lack of memory. */
export interface OOMEvent {
  containerId: string
}
export const OOMEvent: Message<OOMEvent> = /* @__PURE__ */ new Message('1 containerId string')

export interface AddSwapRequest {
  pciPath: number[]
}
export const AddSwapRequest: Message<AddSwapRequest> = /* @__PURE__ */ new Message('1 pciPath uint32[]')

export interface AddSwapPathRequest {
  path: string
}
export const AddSwapPathRequest: Message<AddSwapPathRequest> = /* @__PURE__ */ new Message('1 path string')

export interface GetMetricsRequest {}
export const GetMetricsRequest: Message<GetMetricsRequest> = /* @__PURE__ */ new Message('')

/** Prometheus text. */
export interface Metrics {
  metrics: string
}
export const Metrics: Message<Metrics> = /* @__PURE__ */ new Message('1 metrics string')

export interface SetPolicyRequest {
  policy: string
}
export const SetPolicyRequest: Message<SetPolicyRequest> = /* @__PURE__ */ new Message('1 policy string')

export interface VolumeStatsRequest {
  volumeGuestPath: string
}
export const VolumeStatsRequest: Message<VolumeStatsRequest> = /* @__PURE__ */ new Message('1 volumeGuestPath string')

export interface VolumeStatsResponse {
  usage: VolumeUsage[]
  volumeCondition: VolumeCondition | undefined
}
export const VolumeStatsResponse: Message<VolumeStatsResponse> = /* @__PURE__ */ new Message('1 usage VolumeUsage[];2 volumeCondition VolumeCondition?', types)

export const VolumeUsage_Unit = {
  UNKNOWN: 0,
  BYTES: 1,
  INODES: 2,
} as const
export type VolumeUsage_Unit = (typeof VolumeUsage_Unit)[keyof typeof VolumeUsage_Unit]

/** As in the Container Storage Interface. */
export interface VolumeUsage {
  available: bigint
  total: bigint
  used: bigint
  unit: VolumeUsage_Unit
}
export const VolumeUsage: Message<VolumeUsage> = /* @__PURE__ */ new Message('1 available uint64;2 total uint64;3 used uint64;4 unit int32')

export interface VolumeCondition {
  abnormal: boolean
  message: string
}
export const VolumeCondition: Message<VolumeCondition> = /* @__PURE__ */ new Message('1 abnormal bool;2 message string')

export interface ResizeVolumeRequest {
  volumeGuestPath: string
  size: bigint
}
export const ResizeVolumeRequest: Message<ResizeVolumeRequest> = /* @__PURE__ */ new Message('1 volumeGuestPath string;2 size uint64')

export interface GetDiagnosticDataRequest {
  logType: string
  containerId: string
}
export const GetDiagnosticDataRequest: Message<GetDiagnosticDataRequest> = /* @__PURE__ */ new Message('1 logType string;2 containerId string')

export interface GetDiagnosticDataResponse {
  data: string
}
export const GetDiagnosticDataResponse: Message<GetDiagnosticDataResponse> = /* @__PURE__ */ new Message('1 data string')

export const AgentServiceDefinition = {
  name: 'AgentService',
  fullName: 'grpc.AgentService',
  methods: {
    createContainer: {
      name: 'CreateContainer',
      requestType: CreateContainerRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    startContainer: {
      name: 'StartContainer',
      requestType: StartContainerRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    removeContainer: {
      name: 'RemoveContainer',
      requestType: RemoveContainerRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    execProcess: {
      name: 'ExecProcess',
      requestType: ExecProcessRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    signalProcess: {
      name: 'SignalProcess',
      requestType: SignalProcessRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    waitProcess: {
      name: 'WaitProcess',
      requestType: WaitProcessRequest,
      requestStream: false,
      responseType: WaitProcessResponse,
      responseStream: false,
    },
    updateContainer: {
      name: 'UpdateContainer',
      requestType: UpdateContainerRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    updateEphemeralMounts: {
      name: 'UpdateEphemeralMounts',
      requestType: UpdateEphemeralMountsRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    statsContainer: {
      name: 'StatsContainer',
      requestType: StatsContainerRequest,
      requestStream: false,
      responseType: StatsContainerResponse,
      responseStream: false,
    },
    pauseContainer: {
      name: 'PauseContainer',
      requestType: PauseContainerRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    resumeContainer: {
      name: 'ResumeContainer',
      requestType: ResumeContainerRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    removeStaleVirtiofsShareMounts: {
      name: 'RemoveStaleVirtiofsShareMounts',
      requestType: RemoveStaleVirtiofsShareMountsRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    writeStdin: {
      name: 'WriteStdin',
      requestType: WriteStreamRequest,
      requestStream: false,
      responseType: WriteStreamResponse,
      responseStream: false,
    },
    readStdout: {
      name: 'ReadStdout',
      requestType: ReadStreamRequest,
      requestStream: false,
      responseType: ReadStreamResponse,
      responseStream: false,
    },
    readStderr: {
      name: 'ReadStderr',
      requestType: ReadStreamRequest,
      requestStream: false,
      responseType: ReadStreamResponse,
      responseStream: false,
    },
    closeStdin: {
      name: 'CloseStdin',
      requestType: CloseStdinRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    ttyWinResize: {
      name: 'TtyWinResize',
      requestType: TtyWinResizeRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    updateInterface: {
      name: 'UpdateInterface',
      requestType: UpdateInterfaceRequest,
      requestStream: false,
      responseType: Interface,
      responseStream: false,
    },
    updateRoutes: {
      name: 'UpdateRoutes',
      requestType: UpdateRoutesRequest,
      requestStream: false,
      responseType: Routes,
      responseStream: false,
    },
    listInterfaces: {
      name: 'ListInterfaces',
      requestType: ListInterfacesRequest,
      requestStream: false,
      responseType: Interfaces,
      responseStream: false,
    },
    listRoutes: {
      name: 'ListRoutes',
      requestType: ListRoutesRequest,
      requestStream: false,
      responseType: Routes,
      responseStream: false,
    },
    addARPNeighbors: {
      name: 'AddARPNeighbors',
      requestType: AddARPNeighborsRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    getIPTables: {
      name: 'GetIPTables',
      requestType: GetIPTablesRequest,
      requestStream: false,
      responseType: GetIPTablesResponse,
      responseStream: false,
    },
    setIPTables: {
      name: 'SetIPTables',
      requestType: SetIPTablesRequest,
      requestStream: false,
      responseType: SetIPTablesResponse,
      responseStream: false,
    },
    getMetrics: {
      name: 'GetMetrics',
      requestType: GetMetricsRequest,
      requestStream: false,
      responseType: Metrics,
      responseStream: false,
    },
    createSandbox: {
      name: 'CreateSandbox',
      requestType: CreateSandboxRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    destroySandbox: {
      name: 'DestroySandbox',
      requestType: DestroySandboxRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    onlineCPUMem: {
      name: 'OnlineCPUMem',
      requestType: OnlineCPUMemRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    reseedRandomDev: {
      name: 'ReseedRandomDev',
      requestType: ReseedRandomDevRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    getGuestDetails: {
      name: 'GetGuestDetails',
      requestType: GuestDetailsRequest,
      requestStream: false,
      responseType: GuestDetailsResponse,
      responseStream: false,
    },
    memHotplugByProbe: {
      name: 'MemHotplugByProbe',
      requestType: MemHotplugByProbeRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    setGuestDateTime: {
      name: 'SetGuestDateTime',
      requestType: SetGuestDateTimeRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    copyFile: {
      name: 'CopyFile',
      requestType: CopyFileRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    getOOMEvent: {
      name: 'GetOOMEvent',
      requestType: GetOOMEventRequest,
      requestStream: false,
      responseType: OOMEvent,
      responseStream: false,
    },
    addSwap: {
      name: 'AddSwap',
      requestType: AddSwapRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    addSwapPath: {
      name: 'AddSwapPath',
      requestType: AddSwapPathRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    setPolicy: {
      name: 'SetPolicy',
      requestType: SetPolicyRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    getVolumeStats: {
      name: 'GetVolumeStats',
      requestType: VolumeStatsRequest,
      requestStream: false,
      responseType: VolumeStatsResponse,
      responseStream: false,
    },
    resizeVolume: {
      name: 'ResizeVolume',
      requestType: ResizeVolumeRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    getDiagnosticData: {
      name: 'GetDiagnosticData',
      requestType: GetDiagnosticDataRequest,
      requestStream: false,
      responseType: GetDiagnosticDataResponse,
      responseStream: false,
    },
    /**
     * Ours, which Kata's agent does not have: makes, runs and removes the container, with a root file system and a program of the agent's,
     * before there is a sandbox.
     */
    warmUp: {
      name: 'WarmUp',
      requestType: CreateContainerRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    /** Ours, too: loads drivers before there is a device for them. A guest without one goes on. */
    loadDrivers: {
      name: 'LoadDrivers',
      requestType: LoadDriversRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    /** Ours, too: fills memory that was used and is free again with zeros. */
    clearFreeMemory: {
      name: 'ClearFreeMemory',
      requestType: ClearFreeMemoryRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    /** Ours, too: writes all that file systems hold in memory to their disks. */
    syncFileSystems: {
      name: 'SyncFileSystems',
      requestType: SyncFileSystemsRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    /** Ours, too: takes back what memory of a container that is paused can be taken back. */
    reclaimMemory: {
      name: 'ReclaimMemory',
      requestType: ReclaimMemoryRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    /** Ours, too: every TCP connection to the outside fails with ECONNABORTED. */
    abortConnections: {
      name: 'AbortConnections',
      requestType: AbortConnectionsRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
  },
} as const
export type AgentServiceDefinition = typeof AgentServiceDefinition

/** The types that lines of messages name. */
function types(): Types {
  return { ARPNeighbor, ARPNeighbors, AgentDetails, BlkioStats, BlkioStatsEntry, CgroupStats, CpuStats, CpuUsage, Device, FSGroup, HugetlbStats, Interface, KernelModule, KernelRoutes, LinuxResources, MemoryData, MemoryStats, NetworkStats, PidsStats, Process, Route, Routes, SharedMount, Spec, Storage, StringUser, ThrottlingData, VolumeCondition, VolumeUsage }
}
