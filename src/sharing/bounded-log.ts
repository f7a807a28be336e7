/** Keeps what a child process writes: the beginning in a file of limited size, the end in memory. */
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
 * Reads `stream` to its end, always: a child that a guest can make talk must neither fill the disk nor block on a
 * full pipe.
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
    // The directory is being removed, or the disk is full: the tail in memory still tells what happened.
  }
}
