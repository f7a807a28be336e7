/** The sockets of one QEMU: bound by us in the private directory, listening before QEMU exists, handed over open. */
import { closeSync, rmSync } from 'node:fs'
import { connectUnix, listenUnix } from '../../linux/sockets/socket.ts'

/** QEMU's own sockets; the other descriptors come from elsewhere. */
export type SocketRole = 'qmp' | 'agent' | 'console'
const roles: readonly SocketRole[] = ['qmp', 'agent', 'console']

export interface QemuSockets {
  readonly paths: Readonly<Record<SocketRole, string>>
  /** Listening descriptors, to be handed over. */
  readonly listeners: Readonly<Record<SocketRole, number>>
  /** Connections that wait in the backlog until QEMU accepts them: no other process can be first. */
  readonly qmp: number
  readonly console: number
  /** Closes our copies of the listeners; only QEMU can accept from then on. */
  closeListeners(): void
}

export const socketPath = (privateDir: string, role: SocketRole): string => `${privateDir}/${role}.sock`

/** @throws SyscallError EADDRINUSE; KataError SOCKET_PATH_TOO_LONG. Nothing is left open or bound then. */
export function openSockets(privateDir: string): QemuSockets {
  const opened: number[] = []
  const paths = mapRoles((role) => socketPath(privateDir, role))
  const bound: string[] = []
  const keep = (fd: number) => {
    opened.push(fd)
    return fd
  }
  try {
    const listeners = mapRoles((role) => {
      const fd = keep(listenUnix(paths[role]))
      bound.push(paths[role])
      return fd
    })
    return {
      paths,
      listeners,
      qmp: keep(connectUnix(paths.qmp)),
      console: keep(connectUnix(paths.console)),
      closeListeners: () => {
        for (const role of roles) closeSync(listeners[role])
      },
    }
  } catch (error) {
    for (const fd of opened) closeSync(fd)
    for (const path of bound) rmSync(path, { force: true })
    throw error
  }
}

/** Removes the files; they mean nothing once QEMU is gone. */
export function removeSockets(privateDir: string): void {
  for (const role of roles) rmSync(socketPath(privateDir, role), { force: true })
}

function mapRoles<T>(of: (role: SocketRole) => T): Record<SocketRole, T> {
  return { qmp: of('qmp'), agent: of('agent'), console: of('console') }
}
