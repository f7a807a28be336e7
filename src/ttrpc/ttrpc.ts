/** ttrpc, containerd's small RPC: unary calls over one byte stream. Knows nothing of containers. */
export {
  type CallOptions,
  type CancelSignal,
  type Client,
  ClientConnection,
  type ClientDefaults,
  type ConnectOptions,
  connect,
  createClient,
} from './client.ts'
export type { MessageType, MethodDefinition, Partially, ServiceDefinition } from './definition.ts'
export { methodPrefix, type Status } from './envelope.ts'
export type { ErrorInfo } from './error-info.ts'
export { type Lent, LentAnswer } from './lent-answer.ts'
export { type ServeOptions, type ServerConnection, serve } from './server.ts'
export { type CallContext, type Implementation, type Service, service } from './service.ts'
export { type StatusName, statusCodes, statusName, TtrpcError } from './status.ts'
export { type Room, type Transport, transportPair } from './transport.ts'
