/** What a child says until its end. A process that it leaves behind may have the same output, and live for ever. */
import { within } from '../../time.ts'

/** How long the output may stay open after the child has ended, and a second wait in which a delayed reader catches up, milliseconds. */
const [restMs, againMs] = [1000, 100]

/** What is written to the stream until `exited` settles: all, or the last `mostBytes`. @throws what reading and `exited` throw. */
export async function outputUntil(
  stream: ReadableStream<Uint8Array>,
  exited: Promise<unknown>,
  mostBytes = Number.POSITIVE_INFINITY,
): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  const reader = stream.getReader()
  const read = async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return 'all'
      chunks.push(value)
      bytes += value.length
      while (bytes - chunks[0]!.length >= mostBytes) bytes -= chunks.shift()!.length
    }
  }
  const reading = read()
  // It is awaited below, once the child has ended.
  reading.catch(() => {})
  await exited
  const end = (await within(reading, restMs)) ?? (await within(reading, againMs))
  if (end === undefined) await reader.cancel()
  return Buffer.concat(chunks).subarray(-Math.min(bytes, mostBytes)).toString('utf8')
}
