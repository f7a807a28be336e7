// Made of containerd/sandbox.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'
import { Metric, Mount, Platform } from './types.ts'
import { Any } from '../google/protobuf/any.ts'
import { Timestamp } from '../google/protobuf/timestamp.ts'

/**
 * options is the client's description of the pod, runtime.v1.PodSandboxConfig from CRI. netns_path is empty for a pod in the
 * host's network.
 */
export interface CreateSandboxRequest {
  sandboxId: string
  bundlePath: string
  rootfs: Mount[]
  options: Any | undefined
  netnsPath: string
  annotations: { [key: string]: string }
}
export const CreateSandboxRequest: Message<CreateSandboxRequest> = /* @__PURE__ */ new Message('1 sandboxId string;2 bundlePath string;3 rootfs Mount[];4 options Any?;5 netnsPath string;6 annotations string{}', types)

export interface CreateSandboxResponse {}
export const CreateSandboxResponse: Message<CreateSandboxResponse> = /* @__PURE__ */ new Message('')

export interface StartSandboxRequest {
  sandboxId: string
}
export const StartSandboxRequest: Message<StartSandboxRequest> = /* @__PURE__ */ new Message('1 sandboxId string')

export interface StartSandboxResponse {
  pid: number
  createdAt: Timestamp | undefined
}
export const StartSandboxResponse: Message<StartSandboxResponse> = /* @__PURE__ */ new Message('1 pid uint32;2 createdAt Timestamp?', types)

export interface PlatformRequest {
  sandboxId: string
}
export const PlatformRequest: Message<PlatformRequest> = /* @__PURE__ */ new Message('1 sandboxId string')

export interface PlatformResponse {
  platform: Platform | undefined
}
export const PlatformResponse: Message<PlatformResponse> = /* @__PURE__ */ new Message('1 platform Platform?', types)

export interface StopSandboxRequest {
  sandboxId: string
  timeoutSecs: number
}
export const StopSandboxRequest: Message<StopSandboxRequest> = /* @__PURE__ */ new Message('1 sandboxId string;2 timeoutSecs uint32')

export interface StopSandboxResponse {}
export const StopSandboxResponse: Message<StopSandboxResponse> = /* @__PURE__ */ new Message('')

export interface WaitSandboxRequest {
  sandboxId: string
}
export const WaitSandboxRequest: Message<WaitSandboxRequest> = /* @__PURE__ */ new Message('1 sandboxId string')

export interface WaitSandboxResponse {
  exitStatus: number
  exitedAt: Timestamp | undefined
}
export const WaitSandboxResponse: Message<WaitSandboxResponse> = /* @__PURE__ */ new Message('1 exitStatus uint32;2 exitedAt Timestamp?', types)

export interface SandboxStatusRequest {
  sandboxId: string
  verbose: boolean
}
export const SandboxStatusRequest: Message<SandboxStatusRequest> = /* @__PURE__ */ new Message('1 sandboxId string;2 verbose bool')

/** CRI reads state as a name of its PodSandboxState, and JSON from the value of `info` in info. */
export interface SandboxStatusResponse {
  sandboxId: string
  pid: number
  state: string
  info: { [key: string]: string }
  createdAt: Timestamp | undefined
  exitedAt: Timestamp | undefined
  extra: Any | undefined
}
export const SandboxStatusResponse: Message<SandboxStatusResponse> = /* @__PURE__ */ new Message('1 sandboxId string;2 pid uint32;3 state string;4 info string{};5 createdAt Timestamp?;6 exitedAt Timestamp?;7 extra Any?', types)

export interface PingRequest {
  sandboxId: string
}
export const PingRequest: Message<PingRequest> = /* @__PURE__ */ new Message('1 sandboxId string')

export interface PingResponse {}
export const PingResponse: Message<PingResponse> = /* @__PURE__ */ new Message('')

export interface ShutdownSandboxRequest {
  sandboxId: string
}
export const ShutdownSandboxRequest: Message<ShutdownSandboxRequest> = /* @__PURE__ */ new Message('1 sandboxId string')

export interface ShutdownSandboxResponse {}
export const ShutdownSandboxResponse: Message<ShutdownSandboxResponse> = /* @__PURE__ */ new Message('')

export interface SandboxMetricsRequest {
  sandboxId: string
}
export const SandboxMetricsRequest: Message<SandboxMetricsRequest> = /* @__PURE__ */ new Message('1 sandboxId string')

export interface SandboxMetricsResponse {
  metrics: Metric | undefined
}
export const SandboxMetricsResponse: Message<SandboxMetricsResponse> = /* @__PURE__ */ new Message('1 metrics Metric?', types)

export const SandboxDefinition = {
  name: 'Sandbox',
  fullName: 'containerd.runtime.sandbox.v1.Sandbox',
  methods: {
    createSandbox: {
      name: 'CreateSandbox',
      requestType: CreateSandboxRequest,
      requestStream: false,
      responseType: CreateSandboxResponse,
      responseStream: false,
    },
    startSandbox: {
      name: 'StartSandbox',
      requestType: StartSandboxRequest,
      requestStream: false,
      responseType: StartSandboxResponse,
      responseStream: false,
    },
    platform: {
      name: 'Platform',
      requestType: PlatformRequest,
      requestStream: false,
      responseType: PlatformResponse,
      responseStream: false,
    },
    stopSandbox: {
      name: 'StopSandbox',
      requestType: StopSandboxRequest,
      requestStream: false,
      responseType: StopSandboxResponse,
      responseStream: false,
    },
    waitSandbox: {
      name: 'WaitSandbox',
      requestType: WaitSandboxRequest,
      requestStream: false,
      responseType: WaitSandboxResponse,
      responseStream: false,
    },
    sandboxStatus: {
      name: 'SandboxStatus',
      requestType: SandboxStatusRequest,
      requestStream: false,
      responseType: SandboxStatusResponse,
      responseStream: false,
    },
    pingSandbox: {
      name: 'PingSandbox',
      requestType: PingRequest,
      requestStream: false,
      responseType: PingResponse,
      responseStream: false,
    },
    shutdownSandbox: {
      name: 'ShutdownSandbox',
      requestType: ShutdownSandboxRequest,
      requestStream: false,
      responseType: ShutdownSandboxResponse,
      responseStream: false,
    },
    sandboxMetrics: {
      name: 'SandboxMetrics',
      requestType: SandboxMetricsRequest,
      requestStream: false,
      responseType: SandboxMetricsResponse,
      responseStream: false,
    },
  },
} as const
export type SandboxDefinition = typeof SandboxDefinition

/** The types that lines of messages name. */
function types(): Types {
  return { Any, Metric, Mount, Platform, Timestamp }
}
