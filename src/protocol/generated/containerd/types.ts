// Made of containerd/types.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'
import { Any } from '../google/protobuf/any.ts'
import { Timestamp } from '../google/protobuf/timestamp.ts'

export const Status = {
  UNKNOWN: 0,
  CREATED: 1,
  RUNNING: 2,
  STOPPED: 3,
  PAUSED: 4,
  PAUSING: 5,
} as const
export type Status = (typeof Status)[keyof typeof Status]

/** One mount(2) call; `target` is relative to the container's rootfs and normally empty. */
export interface Mount {
  type: string
  source: string
  target: string
  options: string[]
}
export const Mount: Message<Mount> = /* @__PURE__ */ new Message('1 type string;2 source string;3 target string;4 options string[]')

export interface ProcessInfo {
  pid: number
  info: Any | undefined
}
export const ProcessInfo: Message<ProcessInfo> = /* @__PURE__ */ new Message('1 pid uint32;2 info Any?', types)

/** In the words of Go: linux, amd64. */
export interface Platform {
  os: string
  architecture: string
  variant: string
  osVersion: string
}
export const Platform: Message<Platform> = /* @__PURE__ */ new Message('1 os string;2 architecture string;3 variant string;4 osVersion string')

export interface Metric {
  timestamp: Timestamp | undefined
  id: string
  data: Any | undefined
}
export const Metric: Message<Metric> = /* @__PURE__ */ new Message('1 timestamp Timestamp?;2 id string;3 data Any?', types)

/** The types that lines of messages name. */
function types(): Types {
  return { Any, Timestamp }
}
