/**
 * Standard streams of a task as containerd names them: nothing, a FIFO, or a file:// URI; a binary:// URI is logging-program.ts's. Our
 * own command line has logs, beside which a FIFO may be, and a FIFO that is held open, too.
 *
 * Rules learnt the hard way (all of them from FIFOs): an output FIFO is opened O_RDWR|O_NONBLOCK, so that opening never
 * waits for a reader and a reader that leaves may come back; an input FIFO is read as a stream, because a plain read
 * before the first writer would look like its end; Bun never closes a descriptor that it was handed.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { type LogSink, openContainerLog } from '../../sandbox/records/container-log.ts'
import { heldInputPath } from '../../sandbox/records/held-input.ts'
import { type LogTarget, parseLogUri } from '../../sandbox/records/log-files.ts'
import { sleep, until, within } from '../../time.ts'

export interface OutputSink {
  /** Resolves when the bytes were accepted, so that a slow reader slows the process down; once closed, it drops them. */
  write(chunk: Uint8Array): Promise<void>
  /** Gives the reader its end of file. Settles once it has read all before that. */
  close(): Promise<void>
  /** Gives up what the reader has not read since the close, with all that is held for that. Absent where nobody is waited for. */
  abandon?(): void
}

export interface InputSource {
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * The client will write no more: end when the FIFO does, or once it has had nothing for a grace period when the client keeps
   * its end open (containerd's ctr closes it only once CloseIO has returned). What is in it already is read to its end,
   * however slowly.
   */
  finish(): void
  /** Ends at once and lets go of the descriptor. */
  cancel(): void
}

const closeIoGraceMs = 1000

/**
 * @param endsWithReader whether a FIFO has its reader already, and no other comes after that one. Default: who reads it may come late, and
 *   again.
 * @throws KataError STDIO_INVALID.
 */
export function openOutput(uri: string, endsWithReader = false): OutputSink {
  if (uri === '') return { write: async () => {}, close: async () => {} }
  const log = attempt(uri, () => parseLogUri(uri))
  if (log !== undefined) return untilClosed(logSink(uri, log))
  if (uri.startsWith('file://')) return untilClosed(fileSink(uri))
  return untilClosed(endsWithReader ? readerSink(uri) : fifoSink(uri))
}

/** Closes once, and writes to no descriptor that may be another file's by then. */
export function untilClosed(sink: OutputSink): OutputSink {
  let closed: Promise<void> | undefined
  return {
    ...sink,
    write: async (chunk) => (closed === undefined ? sink.write(chunk) : undefined),
    close: () => {
      closed ??= sink.close()
      return closed
    },
  }
}

/** A file of containerd's. @throws (write) ENOSPC. */
function fileSink(uri: string): OutputSink {
  const path = attempt(uri, () => decodeURIComponent(new URL(uri).pathname))
  // Opened as a file, a FIFO would hold up the shim until somebody reads it.
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO()) return fifoSink(path)
  const file = attempt(uri, () => new PlainFile(path))
  return {
    write: async (chunk) => file.write(chunk),
    close: async () => file.close(),
  }
}

/** A log of the command line's. The reader gets what the log has no room for as well. @throws (write) ENOSPC. */
function logSink(uri: string, { path, stream, bounds, reader: fifo }: LogTarget): OutputSink {
  const reader = fifo === undefined ? undefined : readerSink(fifo)
  let log: LogSink
  try {
    log = attempt(uri, () => openContainerLog(path, stream, bounds))
  } catch (error) {
    void reader?.close()
    throw error
  }
  return {
    async write(chunk) {
      try {
        log.write(chunk)
      } finally {
        await reader?.write(chunk)
      }
    },
    async close() {
      log.close()
      await reader?.close()
    },
    abandon: () => reader?.abandon?.(),
  }
}

/** A file never makes anybody wait, so it is written directly. Its directory is made, as runc's shim does. */
class PlainFile {
  readonly #fd: number

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    this.#fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600)
  }

  write(chunk: Uint8Array): void {
    for (let offset = 0; offset < chunk.length; ) offset += writeSync(this.#fd, chunk, offset)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

const fifoSink = (path: string): OutputSink =>
  descriptorSink(openFifo(path, constants.O_RDWR | constants.O_NONBLOCK))

/** Writes to a FIFO for the reader that it has. What comes once that has gone is dropped: the process goes on. */
function readerSink(path: string): OutputSink {
  const fifo = descriptorSink(openFifo(path, constants.O_WRONLY | constants.O_NONBLOCK))
  let hasGone = false
  return {
    ...fifo,
    async write(chunk) {
      if (hasGone) return
      try {
        await fifo.write(chunk)
      } catch {
        hasGone = true
      }
    },
  }
}

/** Writes to a FIFO or a pipe, which nobody else closes. */
export function descriptorSink(fd: number): OutputSink {
  let writer: Bun.FileSink | undefined
  let isOpen = true
  return {
    async write(chunk) {
      writer ??= Bun.file(fd).writer()
      await writer.write(chunk)
      await writer.flush()
    },
    // The writer holds a duplicate of the descriptor, and the reader sees the end only when both are closed.
    close: () =>
      Promise.resolve(writer?.end())
        .then(() => {})
        .finally(() => {
          isOpen = false
          closeSync(fd)
        }),
    abandon() {
      if (isOpen) void readOut(fd, () => !isOpen).catch(() => {})
    },
  }
}

/** How long the reading out of a pipe may take, milliseconds: all that one writer holds is a few pieces. */
const readOutMs = 10_000

/** Reads what is in a pipe, in the place of a reader that does not, until its writer is done. */
async function readOut(pipe: number, isDone: () => boolean): Promise<void> {
  const reader = openSync(`/proc/self/fd/${pipe}`, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    await until(
      () => {
        readNow(reader)
        return isDone()
      },
      { timeoutMs: readOutMs, everyMs: 1 },
    )
  } finally {
    closeSync(reader)
  }
}

/**
 * Returns undefined when the task has no stdin.
 *
 * @param mayReturn asked when the last writer has gone without a word. Its answer tells, a grace period later, whether the writer may come
 *   back. Absent: it does not.
 * @throws KataError STDIO_INVALID.
 */
export function openInput(uri: string, mayReturn?: () => () => boolean): InputSource | undefined {
  if (uri === '') return undefined
  const held = heldInputPath(uri)
  const access = held === undefined ? constants.O_RDONLY : constants.O_RDWR
  let from = readerOf(openFifo(held ?? uri, access | constants.O_NONBLOCK))
  let ended = false
  let isFinishing = false
  let pending: Promise<unknown> | undefined
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  const cancel = () => {
    if (ended) return
    ended = true
    tell()
    from.close()
  }
  const endIfEmpty = (read: Promise<unknown>) =>
    void sleep(closeIoGraceMs).then(() => pending === read && cancel())
  const finish = () => {
    isFinishing = true
    tell()
    if (pending !== undefined) endIfEmpty(pending)
  }
  const isOver = async () => {
    if (mayReturn === undefined) return true
    const returns = mayReturn()
    await within(told, closeIoGraceMs)
    return ended || isFinishing || !returns()
  }
  /** What somebody has written since the end was seen, who came back and is done. */
  function* rest(): Generator<Uint8Array, void> {
    while (!ended) {
      const chunk = from.readNow()
      if (chunk === undefined) return
      yield chunk
    }
  }
  async function* chunks(): AsyncGenerator<Uint8Array, void> {
    try {
      while (!ended) {
        const read = from.read()
        pending = read
        if (isFinishing) endIfEmpty(read)
        const { value } = await read
        pending = undefined
        if (value !== undefined) yield value
        else if (!(await isOver())) from = from.held()
        else return yield* rest()
      }
    } finally {
      cancel()
    }
  }
  return { chunks: chunks(), finish, cancel }
}

function readerOf(fd: number) {
  const reader = Bun.file(fd).stream().getReader()
  const close = () =>
    void reader
      .cancel()
      .catch(() => {})
      .finally(() => closeSync(fd))
  return {
    read: () => reader.read(),
    close,
    /** Without waiting; undefined when there is nothing. Only once the stream has ended, which would miss it. */
    readNow: () => readNow(fd),
    /** The same FIFO with a writer of ours, so that it has no end any more; what is in it is kept. */
    held: () => {
      const next = openSync(`/proc/self/fd/${fd}`, constants.O_RDWR | constants.O_NONBLOCK)
      close()
      return readerOf(next)
    },
  }
}

function readNow(fd: number): Uint8Array | undefined {
  const buffer = new Uint8Array(64 * 1024)
  try {
    const bytes = readSync(fd, buffer)
    return bytes === 0 ? undefined : buffer.subarray(0, bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
    throw error
  }
}

function openFifo(path: string, flags: number): number {
  if (!path.startsWith('/'))
    throw new KataError('STDIO_INVALID', { uri: path, problem: 'it is neither a path nor file://' })
  const fd = attempt(path, () => openSync(path, flags))
  if (fstatSync(fd).isFIFO()) return fd
  closeSync(fd)
  throw new KataError('STDIO_INVALID', { uri: path, problem: 'it is not a FIFO' })
}

function attempt<T>(uri: string, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    throw new KataError(
      'STDIO_INVALID',
      { uri, problem: (cause as NodeJS.ErrnoException).code ?? String(cause) },
      { cause },
    )
  }
}
