/** The network of a pod's namespace, as plain data that is carried into the guest. */
import type { Prefix } from '../netlink/ip.ts'
import type { Neighbour } from '../netlink/neighbour.ts'
import type { Route } from '../netlink/route.ts'

export interface PodInterface {
  /** The index of the link in the pod's namespace. Routes and neighbours refer to it. */
  readonly index: number
  /** `eth0`; the guest gives it the same name. */
  readonly name: string
  readonly mac: string
  /** Bytes. */
  readonly mtu: number
  readonly noArp: boolean
  /** `veth`, `macvlan`; empty for hardware. */
  readonly kind: string
  readonly addresses: readonly Prefix[]
}

export interface NetworkFacts {
  readonly interfaces: readonly PodInterface[]
  /** All routes of the interfaces, from any source. */
  readonly routes: readonly Route[]
  /** Permanent entries, and the gateways that are known right now. */
  readonly neighbours: readonly Neighbour[]
  /** By which interface the namespace's own stack reaches the localhost of the machine. */
  readonly localhost?: Localhost
}

export interface Localhost {
  /** The index of the pod's interface. */
  readonly index: number
  /** Hardware address of the stack's end. */
  readonly mac: string
  /** The address that the stack uses towards the guest. */
  readonly peer: Prefix
  /** The address of Docker's name server in the namespace, for which the guest's packets are to go there. */
  readonly nameServer?: Prefix
}

/** A network card of the machine: the other ends of an interface's tap. */
export interface Nic {
  readonly id: string
  readonly mac: string
  /** Bytes. */
  readonly mtu: number
  /** One descriptor of the tap for each queue. */
  readonly taps: readonly number[]
  /** The tap's name, when it is kept for a VMM that opens it by that. */
  readonly tap?: string
  /** One descriptor of /dev/vhost-net for each tap, or none: then the VMM moves the packets itself. */
  readonly vhosts: readonly number[]
}
