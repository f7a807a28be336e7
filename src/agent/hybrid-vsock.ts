/**
 * Hybrid vsock of Cloud Hypervisor and Firecracker: a client of their unix socket asks for a port of the guest with
 * `CONNECT <port>\n`, and gets the answer `OK <number>\n`. After that the stream is the guest's.
 */
import { withSocketOf } from '../linux/sockets/owned-socket.ts'
import { connectUnix } from '../ttrpc/bun.ts'
import type { Transport } from '../ttrpc/ttrpc.ts'

/** `OK ` and a number are far shorter. */
const maxAnswerBytes = 64
const newline = 0x0a

/**
 * @param uid only a socket of this user is dialled.
 * @throws Error when the VMM or the guest refuses, says something else, or `signal` fires.
 */
export async function dialHybridVsock(
  path: string,
  port: number,
  uid: number,
  signal: AbortSignal,
): Promise<Transport> {
  return handshake(await withSocketOf(path, uid, connectUnix), port, signal)
}

/** The handshake alone. Bytes after the answer belong to the returned transport. Closes `inner` on failure. */
export async function handshake(inner: Transport, port: number, signal: AbortSignal): Promise<Transport> {
  const stream = new AnsweredStream(inner)
  const onAbort = () => stream.refuse(new Error('no answer to CONNECT in time'))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) onAbort()
    const asked = inner.write(new TextEncoder().encode(`CONNECT ${port}\n`))
    Promise.resolve(asked).catch((error) => stream.refuse(error))
    const line = await stream.answer
    if (!line.startsWith('OK')) throw new Error(`refused: ${JSON.stringify(line)}`)
    return stream
  } catch (error) {
    inner.close(error as Error)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** A stream whose first line is the answer; what follows is kept for the handler that comes later. */
class AnsweredStream implements Transport {
  /** The first line. Rejects when there is none. */
  readonly answer: Promise<string>
  readonly refuse: (error: Error) => void
  readonly #inner: Transport
  readonly #resolve: (line: string) => void
  readonly #early: Uint8Array[] = []
  #line: number[] = []
  #isAnswered = false
  #over: { error?: Error } | undefined
  #receive: ((chunk: Uint8Array) => void) | undefined
  #closed: ((error?: Error) => void) | undefined

  constructor(inner: Transport) {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    this.answer = promise
    // A failed write ends the handshake before it waits for the answer.
    promise.catch(() => {})
    this.refuse = reject
    this.#resolve = resolve
    this.#inner = inner
    inner.onClose((error) => {
      this.#over = error ? { error } : {}
      reject(new Error('refused: the connection was closed before an answer'))
      this.#closed?.(error)
    })
    inner.onData((chunk) => {
      if (this.#receive) this.#receive(chunk)
      else if (this.#isAnswered) this.#early.push(chunk)
      else this.#readAnswer(chunk)
    })
  }

  #readAnswer(chunk: Uint8Array): void {
    const end = chunk.indexOf(newline)
    const most = Math.min(end < 0 ? chunk.length : end, maxAnswerBytes + 1)
    this.#line = [...this.#line, ...chunk.subarray(0, most)]
    if (this.#line.length > maxAnswerBytes) this.refuse(new Error('refused: the answer is no line'))
    if (end < 0) return
    this.#isAnswered = true
    if (end + 1 < chunk.length) this.#early.push(chunk.subarray(end + 1))
    this.#resolve(new TextDecoder().decode(Uint8Array.from(this.#line)))
  }

  write(bytes: Uint8Array): ReturnType<Transport['write']> {
    return this.#inner.write(bytes)
  }

  close(error?: Error): void {
    this.#inner.close(error)
  }

  onData(handler: (chunk: Uint8Array) => void): void {
    this.#receive = handler
    for (const chunk of this.#early.splice(0)) handler(chunk)
  }

  onClose(handler: (error?: Error) => void): void {
    this.#closed = handler
    if (this.#over) handler(this.#over.error)
  }
}
