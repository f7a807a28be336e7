/** Connections of a machine that was saved: the other ends have gone on without it. */
import { abortTcpConnection, listTcpConnections } from '../../../../src/netlink/tcp-connection.ts'
import { loadModuleNamed } from '../devices/modules.ts'
import { netlinkProtocol, withNetlink } from './netlink.ts'

/** Whoever reads from one, or writes to it, learns at once that it is gone. Those within the guest stay. @throws NetlinkError. */
export function abortConnections(): void {
  loadModuleNamed('tcp_diag')
  withNetlink((client) => {
    for (const connection of listTcpConnections(client))
      if (!isWithin(connection)) abortTcpConnection(client, connection)
  }, netlinkProtocol.sockets)
}

const isWithin = ({ local, remote }: { readonly local: string; readonly remote: string }): boolean =>
  local === remote || remote === '::1' || remote.startsWith('127.')
