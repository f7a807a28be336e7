/** Writes to our own stdout and stderr at the reader's pace, whatever kind of file they are. */
import { fstatSync, writeSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { isTerminal } from '../../linux/is-terminal.ts'

export interface ByteSink {
  /** Resolves when the bytes were accepted. @throws an errno error: EPIPE if the reader has left, ENOSPC. */
  write(chunk: Uint8Array): Promise<void>
}

/**
 * A sink for descriptor `fd`. Writes to pipes, sockets and terminals do not block, so that signals are served while a reader is slow. Writes to
 * files are direct: they do not wait for a reader, and Bun's writer would retry a failed write (disk full) forever.
 */
export function openSink(fd: number): ByteSink {
  const stat = fstatSync(fd)
  if (!stat.isFIFO() && !stat.isSocket() && !isTerminal(fd))
    return { write: async (chunk) => writeAll(fd, chunk) }
  const writer = Bun.file(fd).writer()
  return {
    async write(chunk) {
      await writer.write(chunk)
      await writer.flush()
    },
  }
}

/** Standard output, for data. @throws from `write`: KataError OUTPUT_FAILED; an errno error EPIPE if the reader has left. */
export function openStdout(): ByteSink {
  const sink = openSink(1)
  return {
    async write(chunk) {
      try {
        await sink.write(chunk)
      } catch (cause) {
        if (hasReaderLeft(cause)) throw cause
        const { code = String(cause) } = cause as NodeJS.ErrnoException
        throw new KataError('OUTPUT_FAILED', { errno: code }, { cause })
      }
    },
  }
}

/** Whether a write failed because its reader has left (`| head`), which is no failure of ours. */
export const hasReaderLeft = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EPIPE'

function writeAll(fd: number, chunk: Uint8Array): void {
  for (let offset = 0; offset < chunk.length; ) offset += writeSync(fd, chunk, offset)
}
