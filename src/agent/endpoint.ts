/** How an endpoint of the guest agent is shown. */
import type { AgentEndpoint } from '../protocol/agent-endpoint.ts'

/** The endpoint as a person reads it in an error. */
export function describeEndpoint(endpoint: AgentEndpoint): string {
  if (endpoint.kind === 'vsock') return `vsock://${endpoint.cid}:${endpoint.port}`
  return endpoint.kind === 'serial' ? endpoint.socketPath : `${endpoint.socketPath} port ${endpoint.port}`
}
