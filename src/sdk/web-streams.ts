/** Node's streams as web streams that hold the other side back. Node's own conversion counts chunks instead of bytes, and reads ahead. */
import type { Readable, Writable } from 'node:stream'

/** Reads only what is asked for. Cancelling it closes the pipe. */
export function readableFrom(source: Readable): ReadableStream<Uint8Array> {
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

/** A write resolves when the pipe has taken it. */
export function writableTo(target: Writable): WritableStream<Uint8Array | string> {
  return new WritableStream<Uint8Array | string>({
    write: (chunk) =>
      new Promise((resolve, reject) => {
        target.write(chunk, (error) => (error ? reject(error) : resolve()))
      }),
    close: () =>
      new Promise((resolve) => {
        target.end(() => resolve())
      }),
    abort: () => {
      target.destroy()
    },
  })
}
