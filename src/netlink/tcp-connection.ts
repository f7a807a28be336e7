/** TCP connections of a network namespace (sock_diag(7)). */
import { structure } from './bytes.ts'
import type { NetlinkClient } from './client.ts'
import { NetlinkFormatError, tolerate } from './error.ts'
import { type Family, family, formatIp } from './ip.ts'

const message = { list: 20, destroy: 21 } as const
const tcp = 6
/** struct inet_diag_req_v2: u8 family, u8 protocol, u8 extensions, u8 padding, u32 states, then struct inet_diag_sockid. */
const requestBytes = 56
const requestId = 8
/** struct inet_diag_msg: u8 family, u8 state, u8 timer, u8 retransmissions, then struct inet_diag_sockid and counters. */
const answerBytes = 72
const answerId = 4
/** struct inet_diag_sockid: be16 ports of both ends, 16 bytes of address for each, u32 link, u32[2] cookie. */
const idBytes = 48
const [localAddress, remoteAddress] = [4, 20]
/** `::ffff:0:0/96`: an IPv6 socket that speaks IPv4. */
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
/** By <net/tcp_states.h>: those in which there is somebody at the other end. It is nobody's in LISTEN, CLOSE and TIME_WAIT. */
const connected = [1, 2, 3, 4, 5, 8, 9, 11].reduce((mask, state) => mask | (1 << state), 0)
/** For each family: as many as a process may have descriptors, unless somebody has changed that (fs.nr_open). */
const mostConnections = 1_048_576

export interface TcpConnection {
  readonly family: Family
  /** As text. One of IPv4 is that, whatever the socket's family. */
  readonly local: string
  readonly remote: string
  /** Bytes by which the kernel knows it. */
  readonly id: Uint8Array
}

/** @throws NetlinkError ENOENT on a kernel that cannot list them (tcp_diag). */
export function listTcpConnections(client: NetlinkClient): TcpConnection[] {
  return [family.ipv4, family.ipv6].flatMap((of) =>
    client
      .dump('list TCP connections', message.list, request(of, connected), mostConnections)
      .map(parseTcpConnection),
  )
}

export function parseTcpConnection(body: Uint8Array): TcpConnection {
  if (body.length < answerBytes) throw new NetlinkFormatError('a message about a socket that is too short')
  const of = body[0] === family.ipv4 ? family.ipv4 : family.ipv6
  const id = body.slice(answerId, answerId + idBytes)
  const address = (at: number) => formatIp(addressAt(id, at, of))
  return { family: of, local: address(localAddress), remote: address(remoteAddress), id }
}

function addressAt(id: Uint8Array, at: number, of: Family): Uint8Array {
  if (of === family.ipv4) return id.subarray(at, at + 4)
  const address = id.subarray(at, at + 16)
  const isMapped = mappedPrefix.every((byte, index) => address[index] === byte)
  return isMapped ? address.subarray(mappedPrefix.length) : address
}

/** Reading and writing fail with ECONNABORTED from now on; nothing happens to one that has ended. @throws NetlinkError EPERM, EOPNOTSUPP. */
export function abortTcpConnection(client: NetlinkClient, { family: of, id, remote }: TcpConnection): void {
  tolerate(['ENOENT'], () =>
    client.change(`abort the connection to ${remote}`, message.destroy, request(of, 0, id)),
  )
}

function request(of: Family, states: number, id: Uint8Array = new Uint8Array(idBytes)): Uint8Array {
  const body = structure(requestBytes, (to) => {
    to.setUint8(0, of)
    to.setUint8(1, tcp)
    to.setUint32(4, states, true)
  })
  body.set(id, requestId)
  return body
}
