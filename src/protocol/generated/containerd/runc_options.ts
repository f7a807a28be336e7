// Made of containerd/runc_options.proto by setup/protocol/generate.ts. Do not edit.
import { Message } from '../../../protobuf/message.ts'

export interface CheckpointOptions {
  /** The container ends with it. */
  exit: boolean
}
export const CheckpointOptions: Message<CheckpointOptions> = /* @__PURE__ */ new Message('1 exit bool')
