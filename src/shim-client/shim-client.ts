/**
 * A client of containerd's shims of version 2 (io.containerd.runc.v2, io.containerd.kata-ts.v2...): it starts one, and calls its Task
 * service over ttrpc. It needs no containerd.
 */
export {
  CreateTaskRequest,
  DeleteResponse,
  ExecProcessRequest,
  StateResponse,
  TaskDefinition,
} from '../protocol/generated/containerd/task.ts'
export { Mount, ProcessInfo, Status } from '../protocol/generated/containerd/types.ts'
export { Any } from '../protocol/generated/google/protobuf/any.ts'
export { connectTask } from './connect-task.ts'
export {
  deleteShim,
  type ShimAction,
  type ShimAddress,
  ShimError,
  startShim,
} from './shim-actions.ts'
export { TaskClient, type TaskOptions } from './task-client.ts'
