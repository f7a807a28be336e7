/** ttrpc transports over unix sockets in Bun. */
import type { Socket, SocketHandler } from 'bun'
import type { Transport } from './transport.ts'

/** How long a closing stream may take to hand its last bytes to a peer that does not read. */
const lingerMs = 5_000

interface Waiting {
  bytes: Uint8Array
  resolve(): void
  reject(error: Error): void
}

class SocketTransport implements Transport {
  #socket: Socket<unknown> | undefined
  #receive: ((chunk: Uint8Array) => void) | undefined
  #onClose: ((error?: Error) => void) | undefined
  readonly #early: Uint8Array[] = []
  readonly #waiting: Waiting[] = []
  #closing = false
  #error: Error | undefined
  #over = false
  #linger: ReturnType<typeof setTimeout> | undefined

  opened(socket: Socket<unknown>): void {
    this.#socket = socket
  }

  write(bytes: Uint8Array): void | Promise<void> {
    if (this.#over || this.#closing) return Promise.reject(new Error('the socket is closed'))
    const written = this.#waiting.length === 0 ? this.#send(bytes) : 0
    if (written === bytes.length) return
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes: bytes.subarray(written), resolve, reject })
    })
  }

  #send(bytes: Uint8Array): number {
    // A negative count means that the socket is going down; `close` follows and settles what waits.
    return Math.max(0, this.#socket?.write(bytes) ?? 0)
  }

  drained(): void {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!
      const written = this.#send(first.bytes)
      if (written < first.bytes.length) {
        first.bytes = first.bytes.subarray(written)
        return
      }
      this.#waiting.shift()
      first.resolve()
    }
    if (this.#closing) this.#socket?.end()
  }

  received(chunk: Uint8Array): void {
    if (this.#receive) this.#receive(chunk)
    else this.#early.push(chunk)
  }

  closed(error?: Error): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#linger)
    this.#error ??= error
    const reason = this.#error ?? new Error('the peer closed the socket')
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason)
    this.#onClose?.(this.#error)
  }

  onData(receive: (chunk: Uint8Array) => void): void {
    this.#receive = receive
    for (const chunk of this.#early.splice(0)) receive(chunk)
  }

  onClose(closed: (error?: Error) => void): void {
    this.#onClose = closed
    if (this.#over) closed(this.#error)
  }

  close(error?: Error): void {
    if (this.#over) return
    this.#error ??= error
    if (error) {
      this.#socket?.terminate()
      this.closed(error)
    } else if (!this.#closing) {
      this.#closing = true
      this.#linger = setTimeout(() => this.#socket?.terminate(), lingerMs)
      if (this.#waiting.length === 0) this.#socket?.end()
    }
  }
}

const handlers: SocketHandler<SocketTransport> = {
  data: (socket, chunk) => socket.data.received(chunk),
  drain: (socket) => socket.data.drained(),
  close: (socket, error) => socket.data.closed(error),
  error: (socket, error) => socket.data.closed(error),
  end: (socket) => {
    socket.end()
  },
}

/** Connects to a listening unix socket; a `unix://` in front of the path is left out. @throws Error with `code` ENOENT, ECONNREFUSED... */
export async function connectUnix(path: string): Promise<Transport> {
  const transport = new SocketTransport()
  const unix = path.replace(/^unix:\/\//, '')
  const socket = await Bun.connect<SocketTransport>({ unix, data: transport, socket: handlers })
  transport.opened(socket as Socket<unknown>)
  return transport
}

/** Takes over an already connected stream socket of any family, which is closed with the transport. */
export async function adoptConnected(fd: number): Promise<Transport> {
  const transport = new SocketTransport()
  // Bun.connect takes `fd` as well as a path, though its published types leave it out.
  const options = {
    fd,
    data: transport,
    socket: handlers,
  } as unknown as Bun.UnixSocketOptions<SocketTransport>
  transport.opened((await Bun.connect<SocketTransport>(options)) as Socket<unknown>)
  return transport
}

export interface Listener {
  /** The listening descriptor, to be handed to another process. */
  readonly fd: number
  /**
   * Stops accepting; connections live on. Bun also removes the socket's file (1.4.5), so a process that handed the
   * descriptor to another one must end without this.
   */
  stop(): void
}

/**
 * Listens on a path, or on a listening descriptor that was inherited, and hands every connection over, with its descriptor for who wants to
 * ask the kernel about it.
 */
export function listen(
  where: { readonly unix: string } | { readonly fd: number },
  onConnection: (transport: Transport, fd: number) => void,
): Listener {
  const listener = Bun.listen<SocketTransport>({
    ...(where as { unix: string }),
    data: undefined as unknown as SocketTransport,
    socket: {
      ...handlers,
      open(socket) {
        const transport = new SocketTransport()
        transport.opened(socket as Socket<unknown>)
        socket.data = transport
        onConnection(transport, (socket as unknown as { fd: number }).fd)
      },
    },
  })
  return { fd: (listener as unknown as { fd: number }).fd, stop: () => listener.stop(false) }
}
