/** ttrpc transports over unix sockets with node:net, for Node and whatever has its modules. */
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { definedTimeout } from './deadline.ts'
import type { Transport } from './transport.ts'

/** How long a closing stream may take to hand its last bytes to a peer that does not read, or does not end. */
const lingerMs = 5_000

/** Takes over a connected stream socket, which is closed with the transport. */
export function socketTransport(socket: Socket): Transport {
  return new SocketTransport(socket)
}

/** Connects to a listening unix socket; a `unix://` in front of the path is left out. @throws Error with `code` ENOENT, ECONNREFUSED... */
export function connectUnix(path: string): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path.replace(/^unix:\/\//, ''))
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socketTransport(socket))
    })
  })
}

/**
 * Listens on a path and hands every connection over. `close()` of the server stops accepting; connections live on. A connection that the
 * system cannot give (ENOMEM, EMFILE) is an `error` of the server, which goes on listening.
 *
 * @throws Error with `code` EADDRINUSE, EACCES...
 */
export function listenUnix(path: string, onConnection: (transport: Transport) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => onConnection(socketTransport(socket)))
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      // Without a listener it would end the process.
      server.on('error', () => {})
      resolve(server)
    })
  })
}

class SocketTransport implements Transport {
  readonly #socket: Socket
  #onClose: ((error?: Error) => void) | undefined
  #error: Error | undefined
  #isOver = false

  constructor(socket: Socket) {
    this.#socket = socket
    // Without a reader of `data` the socket is paused, and keeps what comes early.
    socket.pause()
    socket.on('error', (error) => {
      this.#error ??= error
    })
    socket.on('close', () => {
      this.#isOver = true
      this.#onClose?.(this.#error)
    })
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  onData(receive: (chunk: Uint8Array) => void): void {
    this.#socket.on('data', receive)
    this.#socket.resume()
  }

  onClose(closed: (error?: Error) => void): void {
    this.#onClose = closed
    if (this.#isOver) closed(this.#error)
  }

  close(error?: Error): void {
    if (this.#isOver || this.#socket.destroyed) return
    if (error) {
      this.#socket.destroy(error)
      return
    }
    this.#socket.end()
    // Not the socket's own, which each byte that the peer sends puts off.
    const linger = definedTimeout(lingerMs, () => this.#socket.destroy())
    this.#socket.once('close', () => linger?.cancel())
    // Nobody may be reading; the peer's end is seen only by a reader.
    this.#socket.resume()
  }
}
