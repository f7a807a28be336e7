/**
 * Traffic control (tc(8), <linux/pkt_sched.h>, <linux/pkt_cls.h>): an ingress queue on a link, and a filter on it that
 * hands every packet to another link.
 */
import { concat, cstring, structure } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { attribute, flag } from './message.ts'

export const queueMessage = { newQueue: 36, deleteQueue: 37 } as const
const newFilter = 44
const infoBytes = 20
export const queueAttribute = { kind: 1, options: 2 } as const
const ingressParent = 0xffff_fff1
/** `ffff:`, the handle that every ingress queue has. */
const ingressHandle = 0xffff_0000
/** ETH_P_ALL in network byte order. */
const everyProtocol = 0x0300
/** The filter with the lower number is asked first. */
const priority = { exception: 1, rule: 2 } as const
const u32 = { selector: 5, actions: 7 } as const
const terminal = 1
const action = { kind: 1, options: 2, mirredParameters: 2, stolen: 4, egressRedirect: 1 } as const

/** @throws NetlinkError EEXIST when the link has such a queue. */
export function addIngress(client: NetlinkClient, link: number): void {
  const body = concat([
    trafficInfo(link, ingressHandle, ingressParent),
    attribute(queueAttribute.kind, cstring('ingress')),
  ])
  const what = `add an ingress queue to link ${link}`
  client.change(what, queueMessage.newQueue, body, flag.create | flag.exclusive)
}

/** Deletes the queue with its filters. @throws NetlinkError ENOENT, EINVAL (there is none), ENODEV. */
export function deleteIngress(client: NetlinkClient, link: number): void {
  const body = concat([
    trafficInfo(link, ingressHandle, ingressParent),
    attribute(queueAttribute.kind, cstring('ingress')),
  ])
  client.change(`delete the ingress queue of link ${link}`, queueMessage.deleteQueue, body)
}

/** Four bytes of a packet, read as a big-endian number: those at `at`, counted from the header of the network layer. */
export interface PacketField {
  readonly at: number
  /** Bits that are looked at. */
  readonly mask: number
  readonly value: number
}

/**
 * Packets that `link` receives with all these fields go on to the namespace's own stack, in spite of {@link redirectAll}.
 * `what` is for messages.
 *
 * @throws NetlinkError.
 */
export function leaveToStack(
  client: NetlinkClient,
  link: number,
  what: string,
  fields: readonly PacketField[],
): void {
  const body = concat([
    trafficInfo(link, 0, ingressHandle, (priority.exception << 16) | everyProtocol),
    attribute(queueAttribute.kind, cstring('u32')),
    attribute(queueAttribute.options, attribute(u32.selector, selector(fields))),
  ])
  client.change(`leave ${what} on link ${link} to the stack`, newFilter, body, flag.create)
}

/** Everything that `from` receives leaves by `to`, and nothing else gets to see it. @throws NetlinkError. */
export function redirectAll(client: NetlinkClient, from: number, to: number): void {
  const mirred = attribute(
    1,
    attribute(action.kind, cstring('mirred')),
    attribute(action.options, attribute(action.mirredParameters, mirredParameters(to))),
  )
  const body = concat([
    trafficInfo(from, 0, ingressHandle, (priority.rule << 16) | everyProtocol),
    attribute(queueAttribute.kind, cstring('u32')),
    attribute(
      queueAttribute.options,
      attribute(u32.selector, selector([everything])),
      attribute(u32.actions, mirred),
    ),
  ])
  client.change(`redirect link ${from} to ${to}`, newFilter, body, flag.create | flag.exclusive)
}

const everything: PacketField = { at: 0, mask: 0, value: 0 }

/** struct tc_u32_sel with a struct tc_u32_key for each: be32 mask and value, i32 offset, i32 0. */
function selector(fields: readonly PacketField[]): Uint8Array {
  const [head, key] = [16, 16]
  return structure(head + fields.length * key, (to) => {
    to.setUint8(0, terminal)
    to.setUint8(2, fields.length)
    for (const [index, { at, mask, value }] of fields.entries()) {
      to.setUint32(head + index * key, mask, false)
      to.setUint32(head + index * key + 4, value, false)
      to.setInt32(head + index * key + 8, at, true)
    }
  })
}

/** struct tc_mirred: u32 index, capabilities, action, two counters, i32 what to do, u32 the other link. */
function mirredParameters(to: number): Uint8Array {
  return structure(28, (view) => {
    view.setInt32(8, action.stolen, true)
    view.setInt32(20, action.egressRedirect, true)
    view.setUint32(24, to, true)
  })
}

/** struct tcmsg: u8 family, three bytes of padding, i32 index of the link, u32 handle, u32 parent, u32 of the protocol. */
export function trafficInfo(link: number, handle: number, parent: number, protocol = 0): Uint8Array {
  return structure(infoBytes, (to) => {
    to.setInt32(4, link, true)
    to.setUint32(8, handle, true)
    to.setUint32(12, parent, true)
    to.setUint32(16, protocol, true)
  })
}
