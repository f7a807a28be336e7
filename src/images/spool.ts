/** Writes the contents of a pipe, or of a compressed file, to a file without a name. The file goes away with its descriptor, however this process ends. */
import { closeSync, createReadStream, mkdirSync, readSync, writeSync } from 'node:fs'
import { KataError } from '../errors.ts'
import { openNameless } from '../linux/files/nameless-file.ts'
import { libc } from '../linux/libc.ts'
import { realClock, sleep } from '../time.ts'
import { ZstdFrames } from './formats/zstd-frames.ts'

const F_SETPIPE_SZ = 1031
const pieceBytes = 1 << 20
/** Signals and timers have their turn once in so many pieces. */
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
  compression: 'gzip' | 'zstd',
  path: string,
  directory: string,
  signal?: AbortSignal,
): Promise<number> {
  const fd = makeFile(directory)
  const { createGunzip, createZstdDecompress } = await import('node:zlib')
  const input = createReadStream(`/proc/self/fd/${compressed}`)
  const decompressor = compression === 'gzip' ? createGunzip() : createZstdDecompress()
  const frames = compression === 'gzip' ? undefined : new ZstdFrames()
  if (frames !== undefined) input.on('data', (chunk) => frames.push(chunk as Buffer))
  const damaged = (why: string, cause?: unknown) => {
    const reason = `its ${compression} compression is damaged (${why})`
    return new KataError('ROOTFS_ARCHIVE_INVALID', { path, reason }, { cause })
  }
  try {
    await writePieces(input.pipe(decompressor) as AsyncIterable<Buffer>, fd, signal)
    if (frames?.isWhole === false) throw damaged('it does not end where it should')
    return fd
  } catch (cause) {
    closeSync(fd)
    signal?.throwIfAborted()
    const code = String((cause as NodeJS.ErrnoException).code)
    if (!code.startsWith('Z_') && !code.startsWith('ZSTD_')) throw failed(cause, path, directory)
    throw damaged((cause as Error).message, cause)
  } finally {
    input.destroy()
    decompressor.destroy()
  }
}

async function writePieces(source: AsyncIterable<Buffer>, fd: number, signal?: AbortSignal): Promise<void> {
  let [bytes, count] = [0, 0]
  for await (const piece of source) {
    // What is there already comes without a turn of anything else.
    if (++count % breathEvery === 0) await sleep(0, signal)
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
    const count = readNow(pipe, buffer)
    if (count === 0 && hasWriter) return
    if (count === 0 && realClock.now() > deadline)
      throw new KataError('ROOTFS_MISSING', { path, reason: `nobody wrote to it for ${writerMs / 1000} s` })
    hasWriter ||= count !== 0
    if (count === undefined || count === 0) {
      await sleep(waitMs, signal)
      waitMs = Math.min(2 * waitMs, longestWaitMs)
    } else {
      yield buffer.subarray(0, count)
      waitMs = shortestWaitMs
    }
  }
}

/** Undefined while a writer is there that has nothing to say; 0 without a writer. */
function readNow(pipe: number, buffer: Buffer): number | undefined {
  try {
    return readSync(pipe, buffer, 0, buffer.length, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
    throw error
  }
}
