/** Endpoints of the guest agent as text. */
import type { AgentEndpoint } from '../protocol/agent-endpoint.ts'

/** The endpoint as errors name it. */
export function describeEndpoint(endpoint: AgentEndpoint): string {
  if (endpoint.kind === 'vsock') return `vsock://${endpoint.cid}:${endpoint.port}`
  return endpoint.kind === 'serial' ? endpoint.socketPath : `${endpoint.socketPath} port ${endpoint.port}`
}
