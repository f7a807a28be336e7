// Made of containerd/events.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../../protobuf/message.ts'
import { Any } from '../google/protobuf/any.ts'
import { Empty } from '../google/protobuf/empty.ts'
import { Timestamp } from '../google/protobuf/timestamp.ts'

export interface ForwardRequest {
  envelope: Envelope | undefined
}
export const ForwardRequest: Message<ForwardRequest> = /* @__PURE__ */ new Message('1 envelope Envelope?', types)

export interface Envelope {
  timestamp: Timestamp | undefined
  namespace: string
  topic: string
  event: Any | undefined
}
export const Envelope: Message<Envelope> = /* @__PURE__ */ new Message('1 timestamp Timestamp?;2 namespace string;3 topic string;4 event Any?', types)

export const EventsDefinition = {
  name: 'Events',
  fullName: 'containerd.services.events.ttrpc.v1.Events',
  methods: {
    forward: {
      name: 'Forward',
      requestType: ForwardRequest,
      requestStream: false,
      responseType: Empty,
      responseStream: false,
    },
  },
} as const
export type EventsDefinition = typeof EventsDefinition

/** The types that lines of messages name. */
function types(): Types {
  return { Any, Envelope, Timestamp }
}
