/**
 * Where the guest agent answers. Serial: the socket behind a virtio-serial port. Vsock: the host kernel's own. Hybrid vsock:
 * CONNECT handshake first; `uid` is the VMM's user, whose socket it must be.
 */
export type AgentEndpoint =
  | { readonly kind: 'serial'; readonly socketPath: string }
  | { readonly kind: 'vsock'; readonly cid: number; readonly port: number }
  | {
      readonly kind: 'hybrid-vsock'
      readonly socketPath: string
      readonly port: number
      readonly uid: number
    }

/** The vsock port on which the agent listens in every guest; Kata's number. */
export const agentPort = 1024
