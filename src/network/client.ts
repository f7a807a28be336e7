/** A netlink client inside a network namespace, for as long as it is needed: an open socket keeps a namespace alive. */

import { openRouteSocket } from '../linux/interfaces/netlink-socket.ts'
import { inNetns, type Netns } from '../linux/processes/netns.ts'
import { NetlinkClient } from '../netlink/client.ts'

/**
 * Runs `action` with the calling thread in the namespace; it is synchronous, see {@link inNetns}.
 *
 * @throws SyscallError EINVAL when it is no network namespace; and what `action` throws.
 */
export function withClient<T>(netns: Netns, action: (client: NetlinkClient) => T): T {
  return inNetns(netns, () => withClientHere(action))
}

/** The same in the namespace that the calling thread is in. */
export function withClientHere<T>(action: (client: NetlinkClient) => T): T {
  const socket = openRouteSocket()
  try {
    return action(new NetlinkClient(socket))
  } finally {
    socket.close()
  }
}
