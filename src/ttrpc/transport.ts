/** Memory of a receiver for bytes that it knows to come, so that they need not be copied there. */
export interface Room {
  /** Where the next bytes belong, one at least; undefined: they are to come as a chunk. */
  next(): Uint8Array | undefined
  /** The next so many bytes are there. */
  filled(bytes: number): void
}

/** An ordered, reliable byte stream to one peer: a unix socket, a virtio-serial port, a pair in memory. */
export interface Transport {
  /**
   * Takes all of `bytes`, in order; the caller does not change them before the stream has accepted them. That is when the returned promise
   * resolves (wait for it to be held back by a slow peer), or at once without one. It rejects when the stream closed before that.
   */
  write(bytes: Uint8Array): void | Promise<void>
  /**
   * Sets the receiver, once. Bytes that came earlier are delivered now; each chunk then belongs to the receiver. A transport that reads
   * by itself may put bytes into the receiver's room instead.
   */
  onData(receive: (chunk: Uint8Array) => void, room?: Room): void
  /** Calls `closed` once when the stream ends, for any reason. If it has ended already, calls it at once. */
  onClose(closed: (error?: Error) => void): void
  /** Ends the stream after what was written; with an error, at once. Safe to call again. */
  close(error?: Error): void
}

/** Two transports joined in memory; each write arrives in a microtask. For tests and for calls inside one process. */
export function transportPair(): [Transport, Transport] {
  const left = new MemoryTransport()
  const right = new MemoryTransport()
  left.peer = right
  right.peer = left
  return [left, right]
}

class MemoryTransport implements Transport {
  peer: MemoryTransport | undefined
  #receive: ((chunk: Uint8Array) => void) | undefined
  #onClose: ((error?: Error) => void) | undefined
  readonly #early: Uint8Array[] = []
  #over: { error?: Error } | undefined

  write(bytes: Uint8Array): Promise<void> {
    if (this.#over) return Promise.reject(new Error('the stream is closed'))
    // A copy, because a real stream copies too and the receiver owns what it gets.
    const chunk = bytes.slice()
    return Promise.resolve().then(() => this.peer?.deliver(chunk))
  }

  deliver(chunk: Uint8Array): void {
    if (this.#over) return
    if (this.#receive) this.#receive(chunk)
    else this.#early.push(chunk)
  }

  onData(receive: (chunk: Uint8Array) => void): void {
    this.#receive = receive
    for (const chunk of this.#early.splice(0)) receive(chunk)
  }

  onClose(closed: (error?: Error) => void): void {
    this.#onClose = closed
    if (this.#over) closed(this.#over.error)
  }

  close(error?: Error): void {
    if (this.#over) return
    this.#end(error)
    // In a microtask, behind what was written before.
    void Promise.resolve().then(() => this.peer?.close())
  }

  #end(error?: Error): void {
    this.#over = error ? { error } : {}
    this.#onClose?.(error)
  }
}
