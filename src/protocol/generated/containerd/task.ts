// Made of containerd/task.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'
import { Mount, ProcessInfo, type Status } from './types.ts'
import { Any } from '../google/protobuf/any.ts'
import { Empty } from '../google/protobuf/empty.ts'
import { Timestamp } from '../google/protobuf/timestamp.ts'

/** stdin, stdout and stderr are FIFO paths, URIs or empty. options is usually runtimeoptions.v1.Options. */
export interface CreateTaskRequest {
  id: string
  bundle: string
  rootfs: Mount[]
  terminal: boolean
  stdin: string
  stdout: string
  stderr: string
  checkpoint: string
  parentCheckpoint: string
  options: Any | undefined
}
export const CreateTaskRequest: Message<CreateTaskRequest> = /* @__PURE__ */ new Message('1 id string;2 bundle string;3 rootfs Mount[];4 terminal bool;5 stdin string;6 stdout string;7 stderr string;8 checkpoint string;9 parentCheckpoint string;10 options Any?', types)

export interface CreateTaskResponse {
  pid: number
}
export const CreateTaskResponse: Message<CreateTaskResponse> = /* @__PURE__ */ new Message('1 pid uint32')

export interface StartRequest {
  id: string
  execId: string
}
export const StartRequest: Message<StartRequest> = /* @__PURE__ */ new Message('1 id string;2 execId string')

export interface StartResponse {
  pid: number
}
export const StartResponse: Message<StartResponse> = /* @__PURE__ */ new Message('1 pid uint32')

export interface DeleteRequest {
  id: string
  execId: string
}
export const DeleteRequest: Message<DeleteRequest> = /* @__PURE__ */ new Message('1 id string;2 execId string')

/** Also the raw bytes that `shim delete` prints. */
export interface DeleteResponse {
  pid: number
  exitStatus: number
  exitedAt: Timestamp | undefined
}
export const DeleteResponse: Message<DeleteResponse> = /* @__PURE__ */ new Message('1 pid uint32;2 exitStatus uint32;3 exitedAt Timestamp?', types)

/** spec is the JSON of an OCI process. */
export interface ExecProcessRequest {
  id: string
  execId: string
  terminal: boolean
  stdin: string
  stdout: string
  stderr: string
  spec: Any | undefined
}
export const ExecProcessRequest: Message<ExecProcessRequest> = /* @__PURE__ */ new Message('1 id string;2 execId string;3 terminal bool;4 stdin string;5 stdout string;6 stderr string;7 spec Any?', types)

export interface ResizePtyRequest {
  id: string
  execId: string
  width: number
  height: number
}
export const ResizePtyRequest: Message<ResizePtyRequest> = /* @__PURE__ */ new Message('1 id string;2 execId string;3 width uint32;4 height uint32')

export interface StateRequest {
  id: string
  execId: string
}
export const StateRequest: Message<StateRequest> = /* @__PURE__ */ new Message('1 id string;2 execId string')

export interface StateResponse {
  id: string
  bundle: string
  pid: number
  status: Status
  stdin: string
  stdout: string
  stderr: string
  terminal: boolean
  exitStatus: number
  exitedAt: Timestamp | undefined
  execId: string
}
export const StateResponse: Message<StateResponse> = /* @__PURE__ */ new Message('1 id string;2 bundle string;3 pid uint32;4 status int32;5 stdin string;6 stdout string;7 stderr string;8 terminal bool;9 exitStatus uint32;10 exitedAt Timestamp?;11 execId string', types)

export interface KillRequest {
  id: string
  execId: string
  signal: number
  all: boolean
}
export const KillRequest: Message<KillRequest> = /* @__PURE__ */ new Message('1 id string;2 execId string;3 signal uint32;4 all bool')

export interface CloseIORequest {
  id: string
  execId: string
  stdin: boolean
}
export const CloseIORequest: Message<CloseIORequest> = /* @__PURE__ */ new Message('1 id string;2 execId string;3 stdin bool')

export interface PidsRequest {
  id: string
}
export const PidsRequest: Message<PidsRequest> = /* @__PURE__ */ new Message('1 id string')

export interface PidsResponse {
  processes: ProcessInfo[]
}
export const PidsResponse: Message<PidsResponse> = /* @__PURE__ */ new Message('1 processes ProcessInfo[]', types)

export interface CheckpointTaskRequest {
  id: string
  path: string
  options: Any | undefined
}
export const CheckpointTaskRequest: Message<CheckpointTaskRequest> = /* @__PURE__ */ new Message('1 id string;2 path string;3 options Any?', types)

/** resources is the JSON of OCI linux.resources. */
export interface UpdateTaskRequest {
  id: string
  resources: Any | undefined
  annotations: { [key: string]: string }
}
export const UpdateTaskRequest: Message<UpdateTaskRequest> = /* @__PURE__ */ new Message('1 id string;2 resources Any?;3 annotations string{}', types)

export interface WaitRequest {
  id: string
  execId: string
}
export const WaitRequest: Message<WaitRequest> = /* @__PURE__ */ new Message('1 id string;2 execId string')

export interface WaitResponse {
  exitStatus: number
  exitedAt: Timestamp | undefined
}
export const WaitResponse: Message<WaitResponse> = /* @__PURE__ */ new Message('1 exitStatus uint32;2 exitedAt Timestamp?', types)

export interface StatsRequest {
  id: string
}
export const StatsRequest: Message<StatsRequest> = /* @__PURE__ */ new Message('1 id string')

export interface StatsResponse {
  stats: Any | undefined
}
export const StatsResponse: Message<StatsResponse> = /* @__PURE__ */ new Message('1 stats Any?', types)

export interface ConnectRequest {
  id: string
}
export const ConnectRequest: Message<ConnectRequest> = /* @__PURE__ */ new Message('1 id string')

export interface ConnectResponse {
  shimPid: number
  taskPid: number
  version: string
}
export const ConnectResponse: Message<ConnectResponse> = /* @__PURE__ */ new Message('1 shimPid uint32;2 taskPid uint32;3 version string')

export interface ShutdownRequest {
  id: string
  now: boolean
}
export const ShutdownRequest: Message<ShutdownRequest> = /* @__PURE__ */ new Message('1 id string;2 now bool')

export interface PauseRequest {
  id: string
}
export const PauseRequest: Message<PauseRequest> = /* @__PURE__ */ new Message('1 id string')

export interface ResumeRequest {
  id: string
}
export const ResumeRequest: Message<ResumeRequest> = /* @__PURE__ */ new Message('1 id string')

export const TaskDefinition = {
  name: 'Task',
  fullName: 'containerd.task.v2.Task',
  methods: {
    state: {
      name: 'State',
      requestType: StateRequest,
      requestStream: false,
      responseType: StateResponse,
      responseStream: false,
    },
    create: {
      name: 'Create',
      requestType: CreateTaskRequest,
      requestStream: false,
      responseType: CreateTaskResponse,
      responseStream: false,
    },
    start: {
      name: 'Start',
      requestType: StartRequest,
      requestStream: false,
      responseType: StartResponse,
      responseStream: false,
    },
    delete: {
      name: 'Delete',
      requestType: DeleteRequest,
      requestStream: false,
      responseType: DeleteResponse,
      responseStream: false,
    },
    pids: {
      name: 'Pids',
      requestType: PidsRequest,
      requestStream: false,
      responseType: PidsResponse,
      responseStream: false,
    },
    pause: {
      name: 'Pause',
      requestType: PauseRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    resume: {
      name: 'Resume',
      requestType: ResumeRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    checkpoint: {
      name: 'Checkpoint',
      requestType: CheckpointTaskRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    kill: {
      name: 'Kill',
      requestType: KillRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    exec: {
      name: 'Exec',
      requestType: ExecProcessRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    resizePty: {
      name: 'ResizePty',
      requestType: ResizePtyRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    closeIO: {
      name: 'CloseIO',
      requestType: CloseIORequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    update: {
      name: 'Update',
      requestType: UpdateTaskRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
    wait: {
      name: 'Wait',
      requestType: WaitRequest,
      requestStream: false,
      responseType: WaitResponse,
      responseStream: false,
    },
    stats: {
      name: 'Stats',
      requestType: StatsRequest,
      requestStream: false,
      responseType: StatsResponse,
      responseStream: false,
    },
    connect: {
      name: 'Connect',
      requestType: ConnectRequest,
      requestStream: false,
      responseType: ConnectResponse,
      responseStream: false,
    },
    shutdown: {
      name: 'Shutdown',
      requestType: ShutdownRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
  },
} as const
export type TaskDefinition = typeof TaskDefinition

/** The types that lines of messages name. */
function types(): Types {
  return { Any, Mount, ProcessInfo, Timestamp }
}
