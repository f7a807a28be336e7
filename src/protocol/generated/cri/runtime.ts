// Made of cri/runtime.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'

export const Protocol = {
  TCP: 0,
  UDP: 1,
  SCTP: 2,
} as const
export type Protocol = (typeof Protocol)[keyof typeof Protocol]

export const NamespaceMode = {
  POD: 0,
  CONTAINER: 1,
  NODE: 2,
  TARGET: 3,
} as const
export type NamespaceMode = (typeof NamespaceMode)[keyof typeof NamespaceMode]

export const PodSandboxState = {
  SANDBOX_READY: 0,
  SANDBOX_NOTREADY: 1,
} as const
export type PodSandboxState = (typeof PodSandboxState)[keyof typeof PodSandboxState]

export const MountPropagation = {
  PROPAGATION_PRIVATE: 0,
  PROPAGATION_HOST_TO_CONTAINER: 1,
  PROPAGATION_BIDIRECTIONAL: 2,
} as const
export type MountPropagation = (typeof MountPropagation)[keyof typeof MountPropagation]

export const ContainerState = {
  CONTAINER_CREATED: 0,
  CONTAINER_RUNNING: 1,
  CONTAINER_EXITED: 2,
  CONTAINER_UNKNOWN: 3,
} as const
export type ContainerState = (typeof ContainerState)[keyof typeof ContainerState]

export interface VersionRequest {
  version: string
}
export const VersionRequest: Message<VersionRequest> = /* @__PURE__ */ new Message('1 version string')

export interface VersionResponse {
  version: string
  runtimeName: string
  runtimeVersion: string
  runtimeApiVersion: string
}
export const VersionResponse: Message<VersionResponse> = /* @__PURE__ */ new Message('1 version string;2 runtimeName string;3 runtimeVersion string;4 runtimeApiVersion string')

export interface StatusRequest {
  verbose: boolean
}
export const StatusRequest: Message<StatusRequest> = /* @__PURE__ */ new Message('1 verbose bool')

export interface StatusResponse {
  status: RuntimeStatus | undefined
}
export const StatusResponse: Message<StatusResponse> = /* @__PURE__ */ new Message('1 status RuntimeStatus?', types)

export interface RuntimeStatus {
  conditions: RuntimeCondition[]
}
export const RuntimeStatus: Message<RuntimeStatus> = /* @__PURE__ */ new Message('1 conditions RuntimeCondition[]', types)

export interface RuntimeCondition {
  type: string
  status: boolean
  reason: string
  message: string
}
export const RuntimeCondition: Message<RuntimeCondition> = /* @__PURE__ */ new Message('1 type string;2 status bool;3 reason string;4 message string')

export interface RunPodSandboxRequest {
  config: PodSandboxConfig | undefined
  runtimeHandler: string
}
export const RunPodSandboxRequest: Message<RunPodSandboxRequest> = /* @__PURE__ */ new Message('1 config PodSandboxConfig?;2 runtimeHandler string', types)

export interface RunPodSandboxResponse {
  podSandboxId: string
}
export const RunPodSandboxResponse: Message<RunPodSandboxResponse> = /* @__PURE__ */ new Message('1 podSandboxId string')

export interface PodSandboxConfig {
  metadata: PodSandboxMetadata | undefined
  hostname: string
  logDirectory: string
  dnsConfig: DNSConfig | undefined
  portMappings: PortMapping[]
  labels: { [key: string]: string }
  annotations: { [key: string]: string }
  linux: LinuxPodSandboxConfig | undefined
}
export const PodSandboxConfig: Message<PodSandboxConfig> = /* @__PURE__ */ new Message('1 metadata PodSandboxMetadata?;2 hostname string;3 logDirectory string;4 dnsConfig DNSConfig?;5 portMappings PortMapping[];6 labels string{};7 annotations string{};8 linux LinuxPodSandboxConfig?', types)

export interface PodSandboxMetadata {
  name: string
  uid: string
  namespace: string
  attempt: number
}
export const PodSandboxMetadata: Message<PodSandboxMetadata> = /* @__PURE__ */ new Message('1 name string;2 uid string;3 namespace string;4 attempt uint32')

export interface DNSConfig {
  servers: string[]
  searches: string[]
  options: string[]
}
export const DNSConfig: Message<DNSConfig> = /* @__PURE__ */ new Message('1 servers string[];2 searches string[];3 options string[]')

export interface PortMapping {
  protocol: Protocol
  containerPort: number
  hostPort: number
  hostIp: string
}
export const PortMapping: Message<PortMapping> = /* @__PURE__ */ new Message('1 protocol int32;2 containerPort int32;3 hostPort int32;4 hostIp string')

export interface LinuxPodSandboxConfig {
  cgroupParent: string
  securityContext: LinuxSandboxSecurityContext | undefined
  sysctls: { [key: string]: string }
  overhead: LinuxContainerResources | undefined
  resources: LinuxContainerResources | undefined
}
export const LinuxPodSandboxConfig: Message<LinuxPodSandboxConfig> = /* @__PURE__ */ new Message('1 cgroupParent string;2 securityContext LinuxSandboxSecurityContext?;3 sysctls string{};4 overhead LinuxContainerResources?;5 resources LinuxContainerResources?', types)

export interface LinuxSandboxSecurityContext {
  namespaceOptions: NamespaceOption | undefined
  runAsUser: Int64Value | undefined
  readonlyRootfs: boolean
  supplementalGroups: bigint[]
  privileged: boolean
  runAsGroup: Int64Value | undefined
  seccomp: SecurityProfile | undefined
}
export const LinuxSandboxSecurityContext: Message<LinuxSandboxSecurityContext> = /* @__PURE__ */ new Message('1 namespaceOptions NamespaceOption?;3 runAsUser Int64Value?;4 readonlyRootfs bool;5 supplementalGroups int64[];6 privileged bool;8 runAsGroup Int64Value?;9 seccomp SecurityProfile?', types)

export interface NamespaceOption {
  network: NamespaceMode
  pid: NamespaceMode
  ipc: NamespaceMode
  targetId: string
  usernsOptions: UserNamespace | undefined
}
export const NamespaceOption: Message<NamespaceOption> = /* @__PURE__ */ new Message('1 network int32;2 pid int32;3 ipc int32;4 targetId string;5 usernsOptions UserNamespace?', types)

export interface UserNamespace {
  mode: NamespaceMode
}
export const UserNamespace: Message<UserNamespace> = /* @__PURE__ */ new Message('1 mode int32')

export interface Int64Value {
  value: bigint
}
export const Int64Value: Message<Int64Value> = /* @__PURE__ */ new Message('1 value int64')

export const SecurityProfile_ProfileType = {
  RuntimeDefault: 0,
  Unconfined: 1,
  Localhost: 2,
} as const
export type SecurityProfile_ProfileType = (typeof SecurityProfile_ProfileType)[keyof typeof SecurityProfile_ProfileType]

export interface SecurityProfile {
  profileType: SecurityProfile_ProfileType
  localhostRef: string
}
export const SecurityProfile: Message<SecurityProfile> = /* @__PURE__ */ new Message('1 profileType int32;2 localhostRef string')

export interface StopPodSandboxRequest {
  podSandboxId: string
}
export const StopPodSandboxRequest: Message<StopPodSandboxRequest> = /* @__PURE__ */ new Message('1 podSandboxId string')

export interface StopPodSandboxResponse {}
export const StopPodSandboxResponse: Message<StopPodSandboxResponse> = /* @__PURE__ */ new Message('')

export interface RemovePodSandboxRequest {
  podSandboxId: string
}
export const RemovePodSandboxRequest: Message<RemovePodSandboxRequest> = /* @__PURE__ */ new Message('1 podSandboxId string')

export interface RemovePodSandboxResponse {}
export const RemovePodSandboxResponse: Message<RemovePodSandboxResponse> = /* @__PURE__ */ new Message('')

export interface PodSandboxStatusRequest {
  podSandboxId: string
  verbose: boolean
}
export const PodSandboxStatusRequest: Message<PodSandboxStatusRequest> = /* @__PURE__ */ new Message('1 podSandboxId string;2 verbose bool')

export interface PodSandboxStatusResponse {
  status: PodSandboxStatus | undefined
  info: { [key: string]: string }
}
export const PodSandboxStatusResponse: Message<PodSandboxStatusResponse> = /* @__PURE__ */ new Message('1 status PodSandboxStatus?;2 info string{}', types)

export interface PodSandboxStatus {
  id: string
  metadata: PodSandboxMetadata | undefined
  state: PodSandboxState
  createdAt: bigint
  network: PodSandboxNetworkStatus | undefined
  labels: { [key: string]: string }
  annotations: { [key: string]: string }
  runtimeHandler: string
}
export const PodSandboxStatus: Message<PodSandboxStatus> = /* @__PURE__ */ new Message('1 id string;2 metadata PodSandboxMetadata?;3 state int32;4 createdAt int64;5 network PodSandboxNetworkStatus?;7 labels string{};8 annotations string{};9 runtimeHandler string', types)

export interface PodSandboxNetworkStatus {
  ip: string
  additionalIps: PodIP[]
}
export const PodSandboxNetworkStatus: Message<PodSandboxNetworkStatus> = /* @__PURE__ */ new Message('1 ip string;2 additionalIps PodIP[]', types)

export interface PodIP {
  ip: string
}
export const PodIP: Message<PodIP> = /* @__PURE__ */ new Message('1 ip string')

export interface ListPodSandboxRequest {
  filter: PodSandboxFilter | undefined
}
export const ListPodSandboxRequest: Message<ListPodSandboxRequest> = /* @__PURE__ */ new Message('1 filter PodSandboxFilter?', types)

export interface PodSandboxFilter {
  id: string
}
export const PodSandboxFilter: Message<PodSandboxFilter> = /* @__PURE__ */ new Message('1 id string')

export interface ListPodSandboxResponse {
  items: PodSandbox[]
}
export const ListPodSandboxResponse: Message<ListPodSandboxResponse> = /* @__PURE__ */ new Message('1 items PodSandbox[]', types)

export interface PodSandbox {
  id: string
  metadata: PodSandboxMetadata | undefined
  state: PodSandboxState
}
export const PodSandbox: Message<PodSandbox> = /* @__PURE__ */ new Message('1 id string;2 metadata PodSandboxMetadata?;3 state int32', types)

export interface CreateContainerRequest {
  podSandboxId: string
  config: ContainerConfig | undefined
  sandboxConfig: PodSandboxConfig | undefined
}
export const CreateContainerRequest: Message<CreateContainerRequest> = /* @__PURE__ */ new Message('1 podSandboxId string;2 config ContainerConfig?;3 sandboxConfig PodSandboxConfig?', types)

export interface CreateContainerResponse {
  containerId: string
}
export const CreateContainerResponse: Message<CreateContainerResponse> = /* @__PURE__ */ new Message('1 containerId string')

export interface ContainerConfig {
  metadata: ContainerMetadata | undefined
  image: ImageSpec | undefined
  command: string[]
  args: string[]
  workingDir: string
  envs: KeyValue[]
  mounts: Mount[]
  devices: Device[]
  labels: { [key: string]: string }
  annotations: { [key: string]: string }
  /** Below the pod's log_directory. */
  logPath: string
  stdin: boolean
  stdinOnce: boolean
  tty: boolean
  linux: LinuxContainerConfig | undefined
}
export const ContainerConfig: Message<ContainerConfig> = /* @__PURE__ */ new Message('1 metadata ContainerMetadata?;2 image ImageSpec?;3 command string[];4 args string[];5 workingDir string;6 envs KeyValue[];7 mounts Mount[];8 devices Device[];9 labels string{};10 annotations string{};11 logPath string;12 stdin bool;13 stdinOnce bool;14 tty bool;15 linux LinuxContainerConfig?', types)

export interface ContainerMetadata {
  name: string
  attempt: number
}
export const ContainerMetadata: Message<ContainerMetadata> = /* @__PURE__ */ new Message('1 name string;2 attempt uint32')

export interface ImageSpec {
  image: string
  annotations: { [key: string]: string }
}
export const ImageSpec: Message<ImageSpec> = /* @__PURE__ */ new Message('1 image string;2 annotations string{}')

export interface KeyValue {
  key: string
  value: string
}
export const KeyValue: Message<KeyValue> = /* @__PURE__ */ new Message('1 key string;2 value string')

export interface Mount {
  containerPath: string
  hostPath: string
  readonly: boolean
  selinuxRelabel: boolean
  propagation: MountPropagation
  recursiveReadOnly: boolean
}
export const Mount: Message<Mount> = /* @__PURE__ */ new Message('1 containerPath string;2 hostPath string;3 readonly bool;4 selinuxRelabel bool;5 propagation int32;8 recursiveReadOnly bool')

export interface Device {
  containerPath: string
  hostPath: string
  permissions: string
}
export const Device: Message<Device> = /* @__PURE__ */ new Message('1 containerPath string;2 hostPath string;3 permissions string')

export interface LinuxContainerConfig {
  resources: LinuxContainerResources | undefined
  securityContext: LinuxContainerSecurityContext | undefined
}
export const LinuxContainerConfig: Message<LinuxContainerConfig> = /* @__PURE__ */ new Message('1 resources LinuxContainerResources?;2 securityContext LinuxContainerSecurityContext?', types)

export interface LinuxContainerResources {
  cpuPeriod: bigint
  cpuQuota: bigint
  cpuShares: bigint
  memoryLimitInBytes: bigint
  oomScoreAdj: bigint
  cpusetCpus: string
  cpusetMems: string
  hugepageLimits: HugepageLimit[]
  unified: { [key: string]: string }
  memorySwapLimitInBytes: bigint
}
export const LinuxContainerResources: Message<LinuxContainerResources> = /* @__PURE__ */ new Message('1 cpuPeriod int64;2 cpuQuota int64;3 cpuShares int64;4 memoryLimitInBytes int64;5 oomScoreAdj int64;6 cpusetCpus string;7 cpusetMems string;8 hugepageLimits HugepageLimit[];9 unified string{};10 memorySwapLimitInBytes int64', types)

export interface HugepageLimit {
  pageSize: string
  limit: bigint
}
export const HugepageLimit: Message<HugepageLimit> = /* @__PURE__ */ new Message('1 pageSize string;2 limit uint64')

export interface LinuxContainerSecurityContext {
  capabilities: Capability | undefined
  privileged: boolean
  namespaceOptions: NamespaceOption | undefined
  runAsUser: Int64Value | undefined
  runAsUsername: string
  readonlyRootfs: boolean
  supplementalGroups: bigint[]
  noNewPrivs: boolean
  runAsGroup: Int64Value | undefined
  maskedPaths: string[]
  readonlyPaths: string[]
  seccomp: SecurityProfile | undefined
}
export const LinuxContainerSecurityContext: Message<LinuxContainerSecurityContext> = /* @__PURE__ */ new Message('1 capabilities Capability?;2 privileged bool;3 namespaceOptions NamespaceOption?;5 runAsUser Int64Value?;6 runAsUsername string;7 readonlyRootfs bool;8 supplementalGroups int64[];11 noNewPrivs bool;12 runAsGroup Int64Value?;13 maskedPaths string[];14 readonlyPaths string[];15 seccomp SecurityProfile?', types)

export interface Capability {
  addCapabilities: string[]
  dropCapabilities: string[]
  addAmbientCapabilities: string[]
}
export const Capability: Message<Capability> = /* @__PURE__ */ new Message('1 addCapabilities string[];2 dropCapabilities string[];3 addAmbientCapabilities string[]')

export interface StartContainerRequest {
  containerId: string
}
export const StartContainerRequest: Message<StartContainerRequest> = /* @__PURE__ */ new Message('1 containerId string')

export interface StartContainerResponse {}
export const StartContainerResponse: Message<StartContainerResponse> = /* @__PURE__ */ new Message('')

export interface StopContainerRequest {
  containerId: string
  /** Seconds between SIGTERM (or the image's stop signal) and SIGKILL. */
  timeout: bigint
}
export const StopContainerRequest: Message<StopContainerRequest> = /* @__PURE__ */ new Message('1 containerId string;2 timeout int64')

export interface StopContainerResponse {}
export const StopContainerResponse: Message<StopContainerResponse> = /* @__PURE__ */ new Message('')

export interface RemoveContainerRequest {
  containerId: string
}
export const RemoveContainerRequest: Message<RemoveContainerRequest> = /* @__PURE__ */ new Message('1 containerId string')

export interface RemoveContainerResponse {}
export const RemoveContainerResponse: Message<RemoveContainerResponse> = /* @__PURE__ */ new Message('')

export interface ListContainersRequest {
  filter: ContainerFilter | undefined
}
export const ListContainersRequest: Message<ListContainersRequest> = /* @__PURE__ */ new Message('1 filter ContainerFilter?', types)

export interface ContainerFilter {
  id: string
  podSandboxId: string
}
export const ContainerFilter: Message<ContainerFilter> = /* @__PURE__ */ new Message('1 id string;3 podSandboxId string')

export interface ListContainersResponse {
  containers: Container[]
}
export const ListContainersResponse: Message<ListContainersResponse> = /* @__PURE__ */ new Message('1 containers Container[]', types)

export interface Container {
  id: string
  podSandboxId: string
  metadata: ContainerMetadata | undefined
  state: ContainerState
}
export const Container: Message<Container> = /* @__PURE__ */ new Message('1 id string;2 podSandboxId string;3 metadata ContainerMetadata?;6 state int32', types)

export interface ContainerStatusRequest {
  containerId: string
  verbose: boolean
}
export const ContainerStatusRequest: Message<ContainerStatusRequest> = /* @__PURE__ */ new Message('1 containerId string;2 verbose bool')

export interface ContainerStatusResponse {
  status: ContainerStatus | undefined
  info: { [key: string]: string }
}
export const ContainerStatusResponse: Message<ContainerStatusResponse> = /* @__PURE__ */ new Message('1 status ContainerStatus?;2 info string{}', types)

export interface ContainerStatus {
  id: string
  metadata: ContainerMetadata | undefined
  state: ContainerState
  createdAt: bigint
  startedAt: bigint
  finishedAt: bigint
  exitCode: number
  /** OOMKilled, Error, Completed, StartError. */
  reason: string
  message: string
  logPath: string
}
export const ContainerStatus: Message<ContainerStatus> = /* @__PURE__ */ new Message('1 id string;2 metadata ContainerMetadata?;3 state int32;4 createdAt int64;5 startedAt int64;6 finishedAt int64;7 exitCode int32;10 reason string;11 message string;15 logPath string', types)

export interface UpdateContainerResourcesRequest {
  containerId: string
  linux: LinuxContainerResources | undefined
}
export const UpdateContainerResourcesRequest: Message<UpdateContainerResourcesRequest> = /* @__PURE__ */ new Message('1 containerId string;2 linux LinuxContainerResources?', types)

export interface UpdateContainerResourcesResponse {}
export const UpdateContainerResourcesResponse: Message<UpdateContainerResourcesResponse> = /* @__PURE__ */ new Message('')

export interface ExecSyncRequest {
  containerId: string
  cmd: string[]
  /** Seconds; zero for none. */
  timeout: bigint
}
export const ExecSyncRequest: Message<ExecSyncRequest> = /* @__PURE__ */ new Message('1 containerId string;2 cmd string[];3 timeout int64')

export interface ExecSyncResponse {
  stdout: Uint8Array
  stderr: Uint8Array
  exitCode: number
}
export const ExecSyncResponse: Message<ExecSyncResponse> = /* @__PURE__ */ new Message('1 stdout bytes;2 stderr bytes;3 exitCode int32')

export interface ExecRequest {
  containerId: string
  cmd: string[]
  tty: boolean
  stdin: boolean
  stdout: boolean
  stderr: boolean
}
export const ExecRequest: Message<ExecRequest> = /* @__PURE__ */ new Message('1 containerId string;2 cmd string[];3 tty bool;4 stdin bool;5 stdout bool;6 stderr bool')

export interface ExecResponse {
  url: string
}
export const ExecResponse: Message<ExecResponse> = /* @__PURE__ */ new Message('1 url string')

export interface AttachRequest {
  containerId: string
  stdin: boolean
  tty: boolean
  stdout: boolean
  stderr: boolean
}
export const AttachRequest: Message<AttachRequest> = /* @__PURE__ */ new Message('1 containerId string;2 stdin bool;3 tty bool;4 stdout bool;5 stderr bool')

export interface AttachResponse {
  url: string
}
export const AttachResponse: Message<AttachResponse> = /* @__PURE__ */ new Message('1 url string')

export interface PortForwardRequest {
  podSandboxId: string
  port: number[]
}
export const PortForwardRequest: Message<PortForwardRequest> = /* @__PURE__ */ new Message('1 podSandboxId string;2 port int32[]')

export interface PortForwardResponse {
  url: string
}
export const PortForwardResponse: Message<PortForwardResponse> = /* @__PURE__ */ new Message('1 url string')

export interface ContainerStatsRequest {
  containerId: string
}
export const ContainerStatsRequest: Message<ContainerStatsRequest> = /* @__PURE__ */ new Message('1 containerId string')

export interface ContainerStatsResponse {
  stats: ContainerStats | undefined
}
export const ContainerStatsResponse: Message<ContainerStatsResponse> = /* @__PURE__ */ new Message('1 stats ContainerStats?', types)

export interface PodSandboxStatsRequest {
  podSandboxId: string
}
export const PodSandboxStatsRequest: Message<PodSandboxStatsRequest> = /* @__PURE__ */ new Message('1 podSandboxId string')

export interface PodSandboxStatsResponse {
  stats: PodSandboxStats | undefined
}
export const PodSandboxStatsResponse: Message<PodSandboxStatsResponse> = /* @__PURE__ */ new Message('1 stats PodSandboxStats?', types)

export interface ListPodSandboxStatsRequest {
  filter: PodSandboxStatsFilter | undefined
}
export const ListPodSandboxStatsRequest: Message<ListPodSandboxStatsRequest> = /* @__PURE__ */ new Message('1 filter PodSandboxStatsFilter?', types)

export interface PodSandboxStatsFilter {
  id: string
}
export const PodSandboxStatsFilter: Message<PodSandboxStatsFilter> = /* @__PURE__ */ new Message('1 id string')

export interface ListPodSandboxStatsResponse {
  stats: PodSandboxStats[]
}
export const ListPodSandboxStatsResponse: Message<ListPodSandboxStatsResponse> = /* @__PURE__ */ new Message('1 stats PodSandboxStats[]', types)

export interface PodSandboxStats {
  attributes: PodSandboxAttributes | undefined
  linux: LinuxPodSandboxStats | undefined
}
export const PodSandboxStats: Message<PodSandboxStats> = /* @__PURE__ */ new Message('1 attributes PodSandboxAttributes?;2 linux LinuxPodSandboxStats?', types)

export interface PodSandboxAttributes {
  id: string
  metadata: PodSandboxMetadata | undefined
}
export const PodSandboxAttributes: Message<PodSandboxAttributes> = /* @__PURE__ */ new Message('1 id string;2 metadata PodSandboxMetadata?', types)

export interface LinuxPodSandboxStats {
  cpu: CpuUsage | undefined
  memory: MemoryUsage | undefined
  network: NetworkUsage | undefined
  process: ProcessUsage | undefined
  containers: ContainerStats[]
}
export const LinuxPodSandboxStats: Message<LinuxPodSandboxStats> = /* @__PURE__ */ new Message('1 cpu CpuUsage?;2 memory MemoryUsage?;3 network NetworkUsage?;4 process ProcessUsage?;5 containers ContainerStats[]', types)

export interface ContainerStats {
  attributes: ContainerAttributes | undefined
  cpu: CpuUsage | undefined
  memory: MemoryUsage | undefined
}
export const ContainerStats: Message<ContainerStats> = /* @__PURE__ */ new Message('1 attributes ContainerAttributes?;2 cpu CpuUsage?;3 memory MemoryUsage?', types)

export interface ContainerAttributes {
  id: string
  metadata: ContainerMetadata | undefined
}
export const ContainerAttributes: Message<ContainerAttributes> = /* @__PURE__ */ new Message('1 id string;2 metadata ContainerMetadata?', types)

export interface CpuUsage {
  timestamp: bigint
  usageCoreNanoSeconds: UInt64Value | undefined
  usageNanoCores: UInt64Value | undefined
}
export const CpuUsage: Message<CpuUsage> = /* @__PURE__ */ new Message('1 timestamp int64;2 usageCoreNanoSeconds UInt64Value?;3 usageNanoCores UInt64Value?', types)

export interface MemoryUsage {
  timestamp: bigint
  workingSetBytes: UInt64Value | undefined
  availableBytes: UInt64Value | undefined
  usageBytes: UInt64Value | undefined
  rssBytes: UInt64Value | undefined
  pageFaults: UInt64Value | undefined
  majorPageFaults: UInt64Value | undefined
}
export const MemoryUsage: Message<MemoryUsage> = /* @__PURE__ */ new Message('1 timestamp int64;2 workingSetBytes UInt64Value?;3 availableBytes UInt64Value?;4 usageBytes UInt64Value?;5 rssBytes UInt64Value?;6 pageFaults UInt64Value?;7 majorPageFaults UInt64Value?', types)

export interface NetworkUsage {
  timestamp: bigint
  defaultInterface: NetworkInterfaceUsage | undefined
  interfaces: NetworkInterfaceUsage[]
}
export const NetworkUsage: Message<NetworkUsage> = /* @__PURE__ */ new Message('1 timestamp int64;2 defaultInterface NetworkInterfaceUsage?;3 interfaces NetworkInterfaceUsage[]', types)

export interface NetworkInterfaceUsage {
  name: string
  rxBytes: UInt64Value | undefined
  rxErrors: UInt64Value | undefined
  txBytes: UInt64Value | undefined
  txErrors: UInt64Value | undefined
}
export const NetworkInterfaceUsage: Message<NetworkInterfaceUsage> = /* @__PURE__ */ new Message('1 name string;2 rxBytes UInt64Value?;3 rxErrors UInt64Value?;4 txBytes UInt64Value?;5 txErrors UInt64Value?', types)

export interface ProcessUsage {
  timestamp: bigint
  processCount: UInt64Value | undefined
}
export const ProcessUsage: Message<ProcessUsage> = /* @__PURE__ */ new Message('1 timestamp int64;2 processCount UInt64Value?', types)

export interface UInt64Value {
  value: bigint
}
export const UInt64Value: Message<UInt64Value> = /* @__PURE__ */ new Message('1 value uint64')

export const RuntimeServiceDefinition = {
  name: 'RuntimeService',
  fullName: 'runtime.v1.RuntimeService',
  methods: {
    version: {
      name: 'Version',
      requestType: VersionRequest,
      requestStream: false,
      responseType: VersionResponse,
      responseStream: false,
    },
    status: {
      name: 'Status',
      requestType: StatusRequest,
      requestStream: false,
      responseType: StatusResponse,
      responseStream: false,
    },
    runPodSandbox: {
      name: 'RunPodSandbox',
      requestType: RunPodSandboxRequest,
      requestStream: false,
      responseType: RunPodSandboxResponse,
      responseStream: false,
    },
    stopPodSandbox: {
      name: 'StopPodSandbox',
      requestType: StopPodSandboxRequest,
      requestStream: false,
      responseType: StopPodSandboxResponse,
      responseStream: false,
    },
    removePodSandbox: {
      name: 'RemovePodSandbox',
      requestType: RemovePodSandboxRequest,
      requestStream: false,
      responseType: RemovePodSandboxResponse,
      responseStream: false,
    },
    podSandboxStatus: {
      name: 'PodSandboxStatus',
      requestType: PodSandboxStatusRequest,
      requestStream: false,
      responseType: PodSandboxStatusResponse,
      responseStream: false,
    },
    listPodSandbox: {
      name: 'ListPodSandbox',
      requestType: ListPodSandboxRequest,
      requestStream: false,
      responseType: ListPodSandboxResponse,
      responseStream: false,
    },
    createContainer: {
      name: 'CreateContainer',
      requestType: CreateContainerRequest,
      requestStream: false,
      responseType: CreateContainerResponse,
      responseStream: false,
    },
    startContainer: {
      name: 'StartContainer',
      requestType: StartContainerRequest,
      requestStream: false,
      responseType: StartContainerResponse,
      responseStream: false,
    },
    stopContainer: {
      name: 'StopContainer',
      requestType: StopContainerRequest,
      requestStream: false,
      responseType: StopContainerResponse,
      responseStream: false,
    },
    removeContainer: {
      name: 'RemoveContainer',
      requestType: RemoveContainerRequest,
      requestStream: false,
      responseType: RemoveContainerResponse,
      responseStream: false,
    },
    listContainers: {
      name: 'ListContainers',
      requestType: ListContainersRequest,
      requestStream: false,
      responseType: ListContainersResponse,
      responseStream: false,
    },
    containerStatus: {
      name: 'ContainerStatus',
      requestType: ContainerStatusRequest,
      requestStream: false,
      responseType: ContainerStatusResponse,
      responseStream: false,
    },
    updateContainerResources: {
      name: 'UpdateContainerResources',
      requestType: UpdateContainerResourcesRequest,
      requestStream: false,
      responseType: UpdateContainerResourcesResponse,
      responseStream: false,
    },
    execSync: {
      name: 'ExecSync',
      requestType: ExecSyncRequest,
      requestStream: false,
      responseType: ExecSyncResponse,
      responseStream: false,
    },
    exec: {
      name: 'Exec',
      requestType: ExecRequest,
      requestStream: false,
      responseType: ExecResponse,
      responseStream: false,
    },
    attach: {
      name: 'Attach',
      requestType: AttachRequest,
      requestStream: false,
      responseType: AttachResponse,
      responseStream: false,
    },
    portForward: {
      name: 'PortForward',
      requestType: PortForwardRequest,
      requestStream: false,
      responseType: PortForwardResponse,
      responseStream: false,
    },
    containerStats: {
      name: 'ContainerStats',
      requestType: ContainerStatsRequest,
      requestStream: false,
      responseType: ContainerStatsResponse,
      responseStream: false,
    },
    podSandboxStats: {
      name: 'PodSandboxStats',
      requestType: PodSandboxStatsRequest,
      requestStream: false,
      responseType: PodSandboxStatsResponse,
      responseStream: false,
    },
    listPodSandboxStats: {
      name: 'ListPodSandboxStats',
      requestType: ListPodSandboxStatsRequest,
      requestStream: false,
      responseType: ListPodSandboxStatsResponse,
      responseStream: false,
    },
  },
} as const
export type RuntimeServiceDefinition = typeof RuntimeServiceDefinition

/** The types that lines of messages name. */
function types(): Types {
  return { Capability, Container, ContainerAttributes, ContainerConfig, ContainerFilter, ContainerMetadata, ContainerStats, ContainerStatus, CpuUsage, DNSConfig, Device, HugepageLimit, ImageSpec, Int64Value, KeyValue, LinuxContainerConfig, LinuxContainerResources, LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxPodSandboxStats, LinuxSandboxSecurityContext, MemoryUsage, Mount, NamespaceOption, NetworkInterfaceUsage, NetworkUsage, PodIP, PodSandbox, PodSandboxAttributes, PodSandboxConfig, PodSandboxFilter, PodSandboxMetadata, PodSandboxNetworkStatus, PodSandboxStats, PodSandboxStatsFilter, PodSandboxStatus, PortMapping, ProcessUsage, RuntimeCondition, RuntimeStatus, SecurityProfile, UInt64Value, UserNamespace }
}
