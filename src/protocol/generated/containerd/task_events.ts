// Made of containerd/task_events.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'
import { Mount } from './types.ts'
import { Timestamp } from '../google/protobuf/timestamp.ts'

/** Topic /tasks/create. */
export interface TaskCreate {
  containerId: string
  bundle: string
  rootfs: Mount[]
  io: TaskIO | undefined
  checkpoint: string
  pid: number
}
export const TaskCreate: Message<TaskCreate> = /* @__PURE__ */ new Message('1 containerId string;2 bundle string;3 rootfs Mount[];4 io TaskIO?;5 checkpoint string;6 pid uint32', types)

export interface TaskIO {
  stdin: string
  stdout: string
  stderr: string
  terminal: boolean
}
export const TaskIO: Message<TaskIO> = /* @__PURE__ */ new Message('1 stdin string;2 stdout string;3 stderr string;4 terminal bool')

/** Topic /tasks/start. */
export interface TaskStart {
  containerId: string
  pid: number
}
export const TaskStart: Message<TaskStart> = /* @__PURE__ */ new Message('1 containerId string;2 pid uint32')

/** Topic /tasks/delete. */
export interface TaskDelete {
  containerId: string
  pid: number
  exitStatus: number
  exitedAt: Timestamp | undefined
  id: string
}
export const TaskDelete: Message<TaskDelete> = /* @__PURE__ */ new Message('1 containerId string;2 pid uint32;3 exitStatus uint32;4 exitedAt Timestamp?;5 id string', types)

/** Topic /tasks/exit. `id` is the exec id, or the container id for the init process. */
export interface TaskExit {
  containerId: string
  id: string
  pid: number
  exitStatus: number
  exitedAt: Timestamp | undefined
}
export const TaskExit: Message<TaskExit> = /* @__PURE__ */ new Message('1 containerId string;2 id string;3 pid uint32;4 exitStatus uint32;5 exitedAt Timestamp?', types)

/** Topic /tasks/oom. */
export interface TaskOOM {
  containerId: string
}
export const TaskOOM: Message<TaskOOM> = /* @__PURE__ */ new Message('1 containerId string')

/** Topic /tasks/exec-added. */
export interface TaskExecAdded {
  containerId: string
  execId: string
}
export const TaskExecAdded: Message<TaskExecAdded> = /* @__PURE__ */ new Message('1 containerId string;2 execId string')

/** Topic /tasks/exec-started. */
export interface TaskExecStarted {
  containerId: string
  execId: string
  pid: number
}
export const TaskExecStarted: Message<TaskExecStarted> = /* @__PURE__ */ new Message('1 containerId string;2 execId string;3 pid uint32')

/** Topic /tasks/paused. */
export interface TaskPaused {
  containerId: string
}
export const TaskPaused: Message<TaskPaused> = /* @__PURE__ */ new Message('1 containerId string')

/** Topic /tasks/resumed. */
export interface TaskResumed {
  containerId: string
}
export const TaskResumed: Message<TaskResumed> = /* @__PURE__ */ new Message('1 containerId string')

/** Topic /tasks/checkpointed. */
export interface TaskCheckpointed {
  containerId: string
  checkpoint: string
}
export const TaskCheckpointed: Message<TaskCheckpointed> = /* @__PURE__ */ new Message('1 containerId string;2 checkpoint string')

/** The types that lines of messages name. */
function types(): Types {
  return { Mount, TaskIO, Timestamp }
}
