/** Writes the contents of a pipe, or of a compressed file, to a file without a name. The file goes away with its descriptor, however this process ends. */
import { closeSync, mkdirSync, writeSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { openNameless } from '../linux/files/nameless-file.ts'
import { libc } from '../linux/libc.ts'
import { breather, realClock, sleep } from '../time.ts'
import { type Compression, CompressionError, decompressed } from './decompressor.ts'
import { readNow } from './pass-through.ts'

const F_SETPIPE_SZ = 1031
const pieceBytes = 1 << 20
/** Pieces between two breaths. */
const breathEvery = 32
/** The same limit as for an unpacked image. */
const mostBytes = 32 * 2 ** 30
/** How long the other end may take to be opened, milliseconds. */
const writerMs = 5000
/** How long is waited between looks at an empty pipe, milliseconds: longer the longer it is empty. */
const [shortestWaitMs, longestWaitMs] = [1, 50]

/**
 * Reads the pipe `pipe`, which does not block, to its end. The result is open to read; the caller closes both. `path` names
 * it in errors.
 *
 * @throws KataError ROOTFS_MISSING when there is no writer, ROOTFS_TOO_LARGE, ROOTFS_UNPACK_FAILED with the errno of a full disk; the
 *   signal's reason.
 */
export async function spool(
  pipe: number,
  path: string,
  directory: string,
  signal?: AbortSignal,
): Promise<number> {
  // Only fewer turns when it succeeds.
  libc.fcntl(pipe, F_SETPIPE_SZ, BigInt(pieceBytes))
  const fd = makeFile(directory)
  try {
    await writePieces(pieces(pipe, path, signal), fd, signal)
    return fd
  } catch (cause) {
    closeSync(fd)
    signal?.throwIfAborted()
    throw failed(cause, path, directory)
  }
}

/**
 * Decompresses the file behind `compressed` into a file without a name. Both are the caller's to close.
 *
 * @throws KataError ROOTFS_ARCHIVE_INVALID for damaged compression, ROOTFS_TOO_LARGE, ROOTFS_UNPACK_FAILED; the signal's reason.
 */
export async function spoolDecompressed(
  compressed: number,
  compression: Compression,
  path: string,
  directory: string,
  signal?: AbortSignal,
): Promise<number> {
  const fd = makeFile(directory)
  const packed = Bun.file(`/proc/self/fd/${compressed}`).stream()
  try {
    await writePieces(decompressed(packed, compression, { directory, signal }), fd, signal)
    return fd
  } catch (cause) {
    closeSync(fd)
    signal?.throwIfAborted()
    if (!(cause instanceof CompressionError)) throw failed(cause, path, directory)
    throw new KataError('ROOTFS_ARCHIVE_INVALID', { path, reason: cause.message }, { cause })
  }
}

async function writePieces(source: AsyncIterable<Buffer>, fd: number, signal?: AbortSignal): Promise<void> {
  const breathe = breather(breathEvery, signal)
  let bytes = 0
  for await (const piece of source) {
    // What is there already comes without a turn of anything else.
    await breathe()
    bytes += piece.length
    if (bytes > mostBytes)
      throw new KataError('ROOTFS_TOO_LARGE', { what: 'the archive', limit: `${mostBytes} bytes` })
    for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done)
  }
}

function failed(cause: unknown, path: string, directory: string): KataError {
  if (cause instanceof KataError) return cause
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
  return new KataError('ROOTFS_UNPACK_FAILED', { what: path, directory, reason }, { cause })
}

function makeFile(directory: string): number {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return openNameless(directory)
}

async function* pieces(pipe: number, path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(pieceBytes)
  const deadline = realClock.now() + writerMs
  let hasWriter = false
  for (let waitMs = shortestWaitMs; ; ) {
    const piece = readNow(pipe, buffer)
    const count = piece?.length
    if (count === 0 && hasWriter) return
    if (count === 0 && realClock.now() > deadline)
      throw new KataError('ROOTFS_MISSING', { path, reason: `nobody wrote to it for ${writerMs / 1000} s` })
    hasWriter ||= count !== 0
    if (piece === undefined || count === 0) {
      await sleep(waitMs, signal)
      waitMs = Math.min(2 * waitMs, longestWaitMs)
    } else {
      yield piece
      waitMs = shortestWaitMs
    }
  }
}
