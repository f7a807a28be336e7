// Made of google/protobuf/empty.proto by setup/protocol/generate.ts. Do not edit.
import { Message } from '../../../../protobuf/message.ts'

/**
 * A generic empty message that you can re-use to avoid defining duplicated
 * empty messages in your APIs. A typical example is to use it as the request
 * or the response type of an API method. For instance:
 *
 * service Foo {
 * rpc Bar(google.protobuf.Empty) returns (google.protobuf.Empty);
 * }
 */
export interface Empty {}
export const Empty: Message<Empty> = /* @__PURE__ */ new Message('')
