// Made of containerd/introspection.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'
import { Any } from '../google/protobuf/any.ts'

export interface RuntimeVersion {
  version: string
  revision: string
}
export const RuntimeVersion: Message<RuntimeVersion> = /* @__PURE__ */ new Message('1 version string;2 revision string')

export interface RuntimeInfo {
  name: string
  version: RuntimeVersion | undefined
  /** The options that the shim understands, with its defaults. */
  options: Any | undefined
  /** OCI runtime features (features.md of the runtime spec), as JSON. */
  features: Any | undefined
  annotations: { [key: string]: string }
}
export const RuntimeInfo: Message<RuntimeInfo> = /* @__PURE__ */ new Message('1 name string;2 version RuntimeVersion?;3 options Any?;4 features Any?;5 annotations string{}', types)

/** The types that lines of messages name. */
function types(): Types {
  return { Any, RuntimeVersion }
}
