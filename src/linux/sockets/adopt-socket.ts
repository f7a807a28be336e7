/** Gives an already connected socket descriptor to Bun's event loop. */
import type { Socket, SocketHandler } from 'bun'

/**
 * From here on the descriptor is Bun's, which closes it with the socket. Bun.connect takes `fd` as well as a path,
 * though its published types leave it out.
 */
export function adoptSocket(fd: number, handler: SocketHandler<undefined>): Promise<Socket<undefined>> {
  const options = { fd, socket: handler } as unknown as Bun.UnixSocketOptions<undefined>
  return Bun.connect(options)
}
