// Made of health.proto by setup/protocol/generate.ts. Do not edit.
import { Message } from '../../protobuf/message.ts'

export interface CheckRequest {
  service: string
}
export const CheckRequest: Message<CheckRequest> = /* @__PURE__ */ new Message('1 service string')

export const HealthCheckResponse_ServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
} as const
export type HealthCheckResponse_ServingStatus = (typeof HealthCheckResponse_ServingStatus)[keyof typeof HealthCheckResponse_ServingStatus]

export interface HealthCheckResponse {
  status: HealthCheckResponse_ServingStatus
}
export const HealthCheckResponse: Message<HealthCheckResponse> = /* @__PURE__ */ new Message('1 status int32')

export interface VersionCheckResponse {
  grpcVersion: string
  agentVersion: string
}
export const VersionCheckResponse: Message<VersionCheckResponse> = /* @__PURE__ */ new Message('1 grpcVersion string;2 agentVersion string')

/** Answered as soon as the agent runs; the host calls it before anything else. */
export const HealthDefinition = {
  name: 'Health',
  fullName: 'grpc.Health',
  methods: {
    check: {
      name: 'Check',
      requestType: CheckRequest,
      requestStream: false,
      responseType: HealthCheckResponse,
      responseStream: false,
    },
    version: {
      name: 'Version',
      requestType: CheckRequest,
      requestStream: false,
      responseType: VersionCheckResponse,
      responseStream: false,
    },
  },
} as const
export type HealthDefinition = typeof HealthDefinition
