// Made of containerd/bootstrap.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'
import { Any } from '../google/protobuf/any.ts'

export interface BootstrapParams {
  instanceId: string
  namespace: string
  /** 0 is info; more detail is negative (debug -4, trace -8), less is positive. */
  logLevel: number
  containerdVersion: string
  containerdTtrpcAddress: string
  containerdGrpcAddress: string
  containerdBinary: string
  /** Runtime options among others. */
  extensions: Extension[]
}
export const BootstrapParams: Message<BootstrapParams> = /* @__PURE__ */ new Message('1 instanceId string;2 namespace string;3 logLevel int32;4 containerdVersion string;5 containerdTtrpcAddress string;6 containerdGrpcAddress string;7 containerdBinary string;8 extensions Extension[]', types)

export interface Extension {
  value: Any | undefined
}
export const Extension: Message<Extension> = /* @__PURE__ */ new Message('1 value Any?', types)

export interface BootstrapResult {
  /** The version of the task service: 2 or 3. */
  version: number
  address: string
  /** ttrpc or grpc. */
  protocol: string
}
export const BootstrapResult: Message<BootstrapResult> = /* @__PURE__ */ new Message('1 version int32;2 address string;3 protocol string')

/** The types that lines of messages name. */
function types(): Types {
  return { Any, Extension }
}
