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
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  let answer: number[] = []
  let over: { error?: Error } | undefined
  let closed: ((error?: Error) => void) | undefined
  let receive: ((chunk: Uint8Array) => void) | undefined
  const early: Uint8Array[] = []

  inner.onClose((error) => {
    over = error ? { error } : {}
    reject(new Error('refused: the connection was closed before an answer'))
    closed?.(error)
  })
  let answered = false
  inner.onData((chunk) => {
    if (receive) return receive(chunk)
    if (answered) return void early.push(chunk)
    const end = chunk.indexOf(newline)
    answer = [...answer, ...chunk.subarray(0, Math.min(end < 0 ? chunk.length : end, maxAnswerBytes + 1))]
    if (answer.length > maxAnswerBytes) return reject(new Error('refused: the answer is no line'))
    if (end < 0) return
    answered = true
    if (end + 1 < chunk.length) early.push(chunk.subarray(end + 1))
    resolve(Uint8Array.from(answer))
  })
  const onAbort = () => reject(new Error('no answer to CONNECT in time'))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) onAbort()
    Promise.resolve(inner.write(new TextEncoder().encode(`CONNECT ${port}\n`))).catch(reject)
    const line = new TextDecoder().decode(await promise)
    if (!line.startsWith('OK')) throw new Error(`refused: ${JSON.stringify(line)}`)
  } catch (error) {
    inner.close(error as Error)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  return {
    write: (bytes) => inner.write(bytes),
    close: (error) => inner.close(error),
    onData(handler) {
      receive = handler
      for (const chunk of early.splice(0)) handler(chunk)
    },
    onClose(handler) {
      closed = handler
      if (over) handler(over.error)
    },
  }
}
