/** Requests over a netlink socket: one at a time, answered at once by the kernel (rtnetlink(7)). */
import { NetlinkError, NetlinkFormatError } from './error.ts'
import {
  encodeMessage,
  flag,
  messageType,
  type NetlinkMessage,
  parseDone,
  parseError,
  parseMessages,
} from './message.ts'

/** A NETLINK_ROUTE socket. It stays in the network namespace in which it was opened. Both calls are synchronous. */
export interface NetlinkSocket {
  send(message: Uint8Array): void
  /** The next datagram, whole. Throws when none comes within the socket's own limit of time. */
  receive(): Uint8Array
}

/** Most entries of one dump, unless its caller says more: a pod has some tens. */
const maxEntries = 16_384
/** How often a dump that was overtaken by a change is asked for anew; then the last answer counts. */
const dumpTries = 4

export class NetlinkClient {
  readonly #socket: NetlinkSocket
  #sequence = 0

  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** Asks for a change and waits until it is made. `what` names it in errors. @throws NetlinkError, NetlinkFormatError. */
  change(what: string, type: number, body: Uint8Array, flags = 0): void {
    const sequence = this.#send(type, flag.request | flag.acknowledge | flags, body)
    for (;;) {
      const answer = this.#receive(sequence).find(({ type }) => type === messageType.error)
      if (answer === undefined) continue
      const { errno, reason } = parseError(answer)
      if (errno !== 0) throw new NetlinkError(what, errno, reason)
      return
    }
  }

  /** The bodies of everything that a dump lists. @throws NetlinkError, NetlinkFormatError. */
  dump(what: string, type: number, body: Uint8Array, most = maxEntries): Uint8Array[] {
    for (let tries = 1; ; tries++) {
      const { bodies, interrupted } = this.#dump(what, type, body, most)
      if (!interrupted || tries === dumpTries) return bodies
    }
  }

  #dump(
    what: string,
    type: number,
    body: Uint8Array,
    most: number,
  ): { bodies: Uint8Array[]; interrupted: boolean } {
    const sequence = this.#send(type, flag.request | flag.dump, body)
    const bodies: Uint8Array[] = []
    let interrupted = false
    for (;;) {
      for (const message of this.#receive(sequence)) {
        interrupted ||= (message.flags & flag.interrupted) !== 0
        if (message.type === messageType.done) {
          const errno = parseDone(message)
          if (errno !== 0) throw new NetlinkError(what, errno, '')
          return { bodies, interrupted }
        }
        if (message.type === messageType.error) {
          const { errno, reason } = parseError(message)
          throw new NetlinkError(what, errno, reason)
        }
        bodies.push(message.body)
      }
      if (bodies.length > most) throw new NetlinkFormatError(`${what}: more than ${most} entries`)
    }
  }

  #send(type: number, flags: number, body: Uint8Array): number {
    this.#sequence += 1
    this.#socket.send(encodeMessage({ type, flags, sequence: this.#sequence, body }))
    return this.#sequence
  }

  /** Messages that answer `sequence`; what is left of an earlier, failed request is skipped. */
  #receive(sequence: number): NetlinkMessage[] {
    return parseMessages(this.#socket.receive()).filter((message) => message.sequence === sequence)
  }
}
