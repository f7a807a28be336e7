/** Keeps the output of a child process: the beginning in a file of limited size, the end in memory. */
import { appendFileSync } from 'node:fs'

const maxFileBytes = 256 * 1024
const maxTailBytes = 4096

export interface BoundedLog {
  /** The last bytes written, as text. */
  tail(): string
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>
}

/**
 * Always reads `stream` to its end: a guest may cause output of the child, which must neither fill the disk nor block on a full pipe.
 */
export function keepOutput(stream: ReadableStream<Uint8Array>, path: string): BoundedLog {
  let tail = Buffer.alloc(0)
  let room = maxFileBytes
  const drain = async () => {
    for await (const chunk of stream) {
      tail = Buffer.concat([tail, chunk]).subarray(-maxTailBytes)
      if (room > 0) write(path, chunk.subarray(0, room))
      room -= chunk.length
    }
  }
  return { tail: () => tail.toString('utf8').trim(), ended: drain() }
}

function write(path: string, chunk: Uint8Array): void {
  try {
    appendFileSync(path, chunk, { mode: 0o600 })
  } catch {
    // The directory is being removed, or the disk is full. The tail in memory still shows what happened.
  }
}
