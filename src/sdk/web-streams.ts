/** Node's streams as web streams that hold the other side back. Node's own conversion counts chunks instead of bytes, and reads ahead. */
import type { Readable, Writable } from 'node:stream'

/** Reads no more than a buffer ahead. Cancelling it closes the pipe. */
export function readableFrom(source: Readable): ReadableStream<Uint8Array> {
  // Once a command has ended, Node throws away the outputs that have no listener. The iterator has one only after the first read.
  source.on('readable', () => {})
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        // First: a read that waits for output would keep the return waiting.
        source.destroy()
        await chunks.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

/** A write resolves when the pipe has taken it, and fails when that is closed meanwhile. An abort closes it, also under a write that waits. */
export function writableTo(target: Writable): WritableStream<Uint8Array | string> {
  return new WritableStream<Uint8Array | string>({
    start(controller) {
      signalOf(controller).addEventListener('abort', () => target.destroy())
    },
    write: (chunk, controller) =>
      unlessClosed(target, signalOf(controller), (done) => target.write(chunk, done)),
    // A command that has ended has closed it.
    async close() {
      if (!target.destroyed) await unlessClosed(target, undefined, (done) => target.end(done)).catch(() => {})
    },
  })
}

/** Fires with an abort, while the write before it still waits. The types do not have it. */
const signalOf = (controller: object) => (controller as { readonly signal: AbortSignal }).signal

/** Resolves when `begin` has called back. A stream that is closed or destroyed meanwhile does not always do that. */
function unlessClosed(
  target: Writable,
  signal: AbortSignal | undefined,
  begin: (done: (error?: Error | null) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => {
      target.off('close', onClose)
      signal?.removeEventListener('abort', onClose)
      if (error) reject(error)
      else resolve()
    }
    const onClose = () => done(new Error('the pipe to the command was closed'))
    target.once('close', onClose)
    signal?.addEventListener('abort', onClose)
    try {
      begin(done)
    } catch (error) {
      done(error as Error)
    }
  })
}
