/**
 * Standard streams of a task, as containerd names them: none, a FIFO, or a file:// URI. For binary:// URIs see logging-program.ts. Our own
 * command line also uses logs, optionally with a FIFO beside them, and FIFOs that are held open.
 *
 * Rules for FIFOs: an output FIFO is opened O_RDWR|O_NONBLOCK, so that opening does not wait for a reader, and a reader may leave and come back.
 * An input FIFO is read as a stream, because a plain read before the first writer looks like the end. Bun never closes a descriptor that it was
 * handed.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { type LogSink, openContainerLog } from '../../sandbox/records/container-log.ts'
import { heldInputPath } from '../../sandbox/records/held-input.ts'
import { type LogTarget, parseLogUri } from '../../sandbox/records/log-files.ts'
import { sleep, until, within } from '../../time.ts'

export interface OutputSink {
  /** Resolves when the bytes were accepted, so a slow reader slows the process down. After `close`, bytes are dropped. */
  write(chunk: Uint8Array): Promise<void>
  /** Gives the reader an end of file. Settles once the reader has read everything before it. */
  close(): Promise<void>
  /** After `close`: gives up the bytes that the reader has not read, and releases the descriptor and memory. Absent if `close` does not wait. */
  abandon?(): void
}

export interface InputSource {
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * Says that the client will write no more. The input ends when the FIFO does; or, if the client keeps its end open (containerd's ctr closes it
   * only after CloseIO has returned), when the FIFO was empty for a grace period. Everything in the FIFO is still read, however slowly.
   */
  finish(): void
  /** Ends the input at once and releases the descriptor. */
  cancel(): void
}

const closeIoGraceMs = 1000

/**
 * @param endsWithReader whether the FIFO already has its reader, and no other follows. Default: a reader may come late, and again.
 * @throws KataError STDIO_INVALID.
 */
export function openOutput(uri: string, endsWithReader = false): OutputSink {
  if (uri === '') return { write: async () => {}, close: async () => {} }
  const log = attempt(uri, () => parseLogUri(uri))
  if (log !== undefined) return untilClosed(logSink(uri, log))
  if (uri.startsWith('file://')) return untilClosed(fileSink(uri))
  return untilClosed(endsWithReader ? readerSink(uri) : fifoSink(uri))
}

/** Makes `close` run once, and drops later writes, which could hit another file with the same descriptor. */
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

/** A sink to a file of containerd's. @throws (write) ENOSPC. */
function fileSink(uri: string): OutputSink {
  const path = attempt(uri, () => decodeURIComponent(new URL(uri).pathname))
  // Opening a FIFO as a file would block the shim until a reader comes.
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO()) return fifoSink(path)
  const file = attempt(uri, () => new PlainFile(path))
  return {
    write: async (chunk) => file.write(chunk),
    close: async () => file.close(),
  }
}

/**
 * A sink to a log of the command line's, and to its reader. The reader gets a chunk even if the log has no room for it. @throws (write) ENOSPC.
 */
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

/** A file that is written directly, because writes to files do not block. Its directory is made, as by runc's shim. */
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

/** Writes to the FIFO's present reader. After the reader has gone, output is dropped and the process continues. */
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

/** Writes to a FIFO or pipe, and owns the descriptor. */
export function descriptorSink(fd: number): OutputSink {
  let writer: Bun.FileSink | undefined
  let isOpen = true
  return {
    async write(chunk) {
      writer ??= Bun.file(fd).writer()
      await writer.write(chunk)
      await writer.flush()
    },
    // The writer has a duplicate of the descriptor, and the reader gets its end of file only when both are closed.
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

/** Most time for emptying a pipe, milliseconds. A writer holds only a few pieces. */
const readOutMs = 10_000

/** Empties a pipe in place of a reader that does not read, until its writer is done. */
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
 * Returns undefined if the task has no stdin.
 *
 * @param mayReturn called when the last writer has gone without CloseIO. The function that it returns is called a grace period later, and says
 *   whether the writer may come back. Absent: it may not.
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
  /** Reads what a writer that came back has written since the end was seen. */
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
    /** Reads without waiting; undefined if the FIFO is empty. May be used only after the stream has ended, which would miss the bytes. */
    readNow: () => readNow(fd),
    /** The same FIFO with a writer of ours, so that it has no end from now on. Its content is kept. */
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
