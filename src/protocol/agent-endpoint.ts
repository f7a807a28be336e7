/** Where the guest agent answers. Serial: the socket behind a virtio-serial port. Hybrid vsock: CONNECT handshake first; `uid` is the VMM's user, whose socket it must be. */
export type AgentEndpoint =
  | { readonly kind: 'serial'; readonly socketPath: string }
  | {
      readonly kind: 'hybrid-vsock'
      readonly socketPath: string
      readonly port: number
      readonly uid: number
    }
