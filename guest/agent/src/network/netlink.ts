/** The guest's own network, by the codec that the host uses too. */
import { close, openSocket, receive, write } from 'syscalls'
import { NetlinkClient } from '../../../../src/netlink/client.ts'

const [AF_NETLINK, SOCK_RAW] = [16, 3]
/** NETLINK_ROUTE and NETLINK_SOCK_DIAG. */
export const netlinkProtocol = { route: 0, sockets: 4 } as const
/** The kernel makes no datagram larger than 32 KiB. */
const datagramBytes = 64 * 1024

/** Runs `action`, which is synchronous, with a client. Throws SysError and what `action` throws. */
export function withNetlink<T>(
  action: (client: NetlinkClient) => T,
  protocol: number = netlinkProtocol.route,
): T {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, protocol)
  try {
    return action(
      new NetlinkClient({
        send: (message) => void write(fd, message, 0),
        receive: () => {
          // The kernel answers while it takes the request: an answer that is not there now will never be.
          const datagram = receive(fd, datagramBytes)
          if (datagram === null) throw new Error('netlink: no answer')
          return datagram
        },
      }),
    )
  } finally {
    close(fd)
  }
}
