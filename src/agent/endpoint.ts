/** Where the guest agent answers. Serial: the socket behind a virtio-serial port. Hybrid vsock: see hybrid-vsock.ts. */
export type AgentEndpoint =
  | { readonly kind: 'serial'; readonly socketPath: string }
  | { readonly kind: 'hybrid-vsock'; readonly socketPath: string; readonly port: number }

/** The endpoint as a person reads it in an error. */
export function describeEndpoint(endpoint: AgentEndpoint): string {
  return endpoint.kind === 'serial' ? endpoint.socketPath : `${endpoint.socketPath} port ${endpoint.port}`
}
