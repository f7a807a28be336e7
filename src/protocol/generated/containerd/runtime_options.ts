// Made of containerd/runtime_options.proto by setup/protocol/generate.ts. Do not edit.
import { Message } from '../../../protobuf/message.ts'

export interface Options {
  typeUrl: string
  configPath: string
  configBody: Uint8Array
}
export const Options: Message<Options> = /* @__PURE__ */ new Message('1 typeUrl string;2 configPath string;3 configBody bytes')
