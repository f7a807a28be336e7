// Made of types.proto by setup/protocol/generate.ts. Do not edit.
import { Message, type Types } from '../../protobuf/message.ts'

export const IPFamily = {
  IP_V4: 0,
  IP_V6: 1,
} as const
export type IPFamily = (typeof IPFamily)[keyof typeof IPFamily]

export const FSGroupChangePolicy = {
  ALWAYS: 0,
  ON_ROOT_MISMATCH: 1,
} as const
export type FSGroupChangePolicy = (typeof FSGroupChangePolicy)[keyof typeof FSGroupChangePolicy]

export interface IPAddress {
  family: IPFamily
  address: string
  mask: string
}
export const IPAddress: Message<IPAddress> = /* @__PURE__ */ new Message('1 family int32;2 address string;3 mask string')

export interface Interface {
  device: string
  name: string
  ipAddresses: IPAddress[]
  mtu: bigint
  hwAddr: string
  devicePath: string
  type: string
  rawFlags: number
  /**
   * Not of Kata, whose agent passes over it: packets for localhost are taken from this interface. The host lets only its
   * own through to it.
   */
  localhost: boolean
  /** Not of Kata either: the card has this address until it gets hw_addr, because it is one of a machine that was saved. */
  formerHwAddr: string
}
export const Interface: Message<Interface> = /* @__PURE__ */ new Message('1 device string;2 name string;3 ipAddresses IPAddress[];4 mtu uint64;5 hwAddr string;6 devicePath string;7 type string;8 rawFlags uint32;1000 localhost bool;1001 formerHwAddr string', types)

export interface Route {
  dest: string
  gateway: string
  device: string
  source: string
  scope: number
  family: IPFamily
  flags: number
  mtu: number
  /** Not of Kata, whose agent passes over it: of two routes to one destination the lower one counts; 0: the default. */
  metric: number
}
export const Route: Message<Route> = /* @__PURE__ */ new Message('1 dest string;2 gateway string;3 device string;4 source string;5 scope uint32;6 family int32;7 flags uint32;8 mtu uint32;1000 metric uint32')

export interface ARPNeighbor {
  toIpAddress: IPAddress | undefined
  device: string
  lladdr: string
  state: number
  flags: number
}
export const ARPNeighbor: Message<ARPNeighbor> = /* @__PURE__ */ new Message('1 toIpAddress IPAddress?;2 device string;3 lladdr string;4 state int32;5 flags int32', types)

/** The types that lines of messages name. */
function types(): Types {
  return { IPAddress }
}
